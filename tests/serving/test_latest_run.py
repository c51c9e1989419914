"""The API over a training without registry: a JSON object in S3 names the run."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import boto3
import pytest

from app.bundle_cache import BundleCache
from app.champion import Champion
from app.latest_run import read_latest_run
from app.metrics import Metrics
from app.registry import Registry as RegistryClient
from app.registry import RegistryUnavailableError
from app.settings import Settings
from bundle import BundleError
from tests import services
from tests.serving.conftest import Trained, unproved
from tests.serving.registry_server import Registry

KEY = "forest/latest_model.json"


@pytest.fixture
def name_run(bucket: str) -> Callable[[str], None]:
    """Writes the object."""
    return lambda text: boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=text.encode())


def test_the_run_is_served(
    registry: Registry,
    trained: dict[str, Trained],
    bucket: str,
    name_run: Callable[[str], None],
    tmp_path: Path,
) -> None:
    registry.folders["run9"] = trained["forest"].folder
    uri = f"s3://{bucket}/{KEY}"
    settings = Settings(mlflow_model_name="forest", mlflow_tracking_uri=registry.url, model_run_uri=uri)
    client = RegistryClient(settings, partial(read_latest_run, uri, "forest"))
    champion = Champion(settings, client, BundleCache(tmp_path), Metrics(), unproved)
    champion.refresh()
    assert champion.ready
    assert champion.model is None

    name_run(json.dumps({"run_id": "run9", "bundle_digest": trained["forest"].digest}))
    champion.refresh()
    assert champion.version
    assert (champion.version.name, champion.version.version) == ("forest", None)
    assert (champion.version.run_id, champion.version.digest) == ("run9", trained["forest"].digest)


@pytest.mark.parametrize(
    "text", ["<html>", "[]", '{"run_id": "run9"}', '{"run_id": "run9", "bundle_digest": "x"}']
)
def test_an_object_that_names_no_run_is_refused(
    bucket: str, name_run: Callable[[str], None], text: str
) -> None:
    name_run(text)
    with pytest.raises(BundleError):
        read_latest_run(f"s3://{bucket}/{KEY}", "forest")


def test_no_such_bucket_is_an_outage(bucket: str) -> None:
    with pytest.raises(RegistryUnavailableError, match="cannot be read"):
        read_latest_run(f"s3://{bucket}-not/{KEY}", "forest")


def test_s3_away_is_an_outage(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = services.free_ports(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(RegistryUnavailableError, match="cannot be read"):
        read_latest_run(f"s3://{bucket}/{KEY}", "forest")
