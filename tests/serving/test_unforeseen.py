"""What a champion may hold or do that nobody foresaw: it is refused and reported, and the old one goes on."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import bundle
from app.bundle_cache import BundleCache
from app.registry import ModelVersion
from app.registry import Registry as RegistryClient
from app.settings import Settings
from bundle import BundleError
from bundle.reader import bundle_digest
from tests.serving.conftest import TOKEN, Api, Trained
from tests.serving.registry_server import GONE, Registry

Samples = list[dict[str, float | str]]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "name",
    [
        *("../climbed", "/tmp/climbed", "arrays/../../climbed", "arrays/../contract.json", "./contract.json"),  # noqa: S108
        *(
            "",
            ".",
            "arrays",
            "arrays/a\\b.npy",
            "arrays/\x00.npy",
            "arrays/a.npy\n",
            "digests.json",
            "notes.txt",
        ),
    ],
)
def test_a_listing_that_names_what_no_bundle_has_is_refused_before_anything_is_fetched(
    registry: Registry, trained: dict[str, Trained], tmp_path: Path, name: str
) -> None:
    offered, taken = tmp_path / "offered", tmp_path / "a" / "taken"
    offered.mkdir()
    taken.mkdir(parents=True)
    digests = json.loads((trained["linear"].folder / "digests.json").read_text())
    (offered / "digests.json").write_text(json.dumps({name: "0" * 64, **digests}))
    registry.promote(2, offered)
    version = ModelVersion("forest", "2", "run2", bundle_digest(offered))
    with pytest.raises(BundleError) as refusal:
        RegistryClient(Settings(mlflow_model_name="forest", mlflow_tracking_uri=registry.url)).download(
            version, taken
        )
    assert str(refusal.value) == f"digests.json lists {name!r}, which is not a file of a bundle"
    assert [path.name for path in taken.iterdir()] == ["digests.json"]


def test_an_unforeseen_error_of_a_new_champion_is_reported_and_the_old_one_stays(
    registry: Registry,
    api: Callable[..., Api],
    trained: dict[str, Trained],
    samples: Samples,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry.promote(1, trained["linear"].folder)
    asked = api().refresh()
    registry.promote(2, trained["forest"].folder)

    def fail(bundle: object) -> None:
        raise ZeroDivisionError("of an engine")

    with monkeypatch.context() as patched:
        patched.setattr(bundle.Bundle, "check_smoke", fail)
        answer = asked.admin.post("/reload", headers=BEARER)
        restarted = api().refresh()
    expected = "loading it failed unexpectedly: ZeroDivisionError('of an engine')"
    assert answer.status_code == 409
    assert expected in answer.json()["detail"]
    assert next(record.exc_info for record in caplog.records if expected in record.message)
    report = asked.client.get("/metadata").json()
    assert (report["version"], report["registry"]["refused"]) == ("1", {"version": "2", "reason": expected})
    assert asked.client.get("/ready").status_code == 200
    assert asked.client.post("/predict", json={"samples": samples[:1]}).json()["version"] == "1"
    assert "inference_champion_refused_total 1.0" in asked.admin.get("/metrics").text
    ready = restarted.client.get("/ready")
    assert (ready.status_code, expected in ready.json()["detail"]) == (503, True)
    assert asked.refresh().client.get("/metadata").json()["version"] == "2"


def test_an_unforeseen_error_of_the_bundle_on_disk_is_reported(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(1, trained["linear"].folder)
    api().refresh()
    registry.broken = GONE

    def fail(bundle: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bundle.Bundle, "check_smoke", fail)
    ready = api().refresh().client.get("/ready")
    assert ready.status_code == 503
    assert "the bundle on disk: loading it failed unexpectedly: ZeroDivisionError()" in ready.json()["detail"]


def test_an_answer_of_the_registry_that_nobody_foresaw_is_reported(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained]
) -> None:
    registry.promote(1, trained["linear"].folder)
    asked = api().refresh()
    assert registry.champion
    registry.champion["tags"] = [{"key": "bundle_digest", "value": 5}]
    answer = asked.admin.post("/reload", headers=BEARER)
    assert answer.status_code == 502
    assert "The registry's answer cannot be used: TypeError" in answer.json()["detail"]
    report = asked.client.get("/metadata").json()
    assert (report["version"], report["registry"]["reachable"]) == ("1", False)
    assert "inference_registry_up 0.0" in asked.admin.get("/metrics").text


def test_a_champion_that_the_disk_cannot_keep_is_served_and_not_refused(
    registry: Registry,
    api: Callable[..., Api],
    trained: dict[str, Trained],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry.promote(1, trained["linear"].folder)

    def fail(cache: BundleCache, version: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(BundleCache, "keep", fail)
    report = api().refresh().client.get("/metadata").json()
    assert (report["version"], report["registry"]["refused"]) == ("1", None)
    assert "will not find the served bundle on disk: No space left on device" in caplog.text
