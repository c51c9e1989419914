"""What the API writes and answers while servers refuse its passwords, and clients send keys: none of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import services
from tests.attacks.api.conftest import FEATURES
from tests.roles import as_serving
from tests.secret_values import found_in
from tests.serving.conftest import Server
from tests.serving.registry_server import Registry

ONE, TWO = "Kq7vLmZp2xRw", "t8Hd3YbNf5Gj"
"""The two parts of each secret: neither may be found."""
SECRET = f"{ONE}/{TWO}"
BODY = {"samples": [dict.fromkeys(FEATURES, 0.25)]}
SECONDS = 60


def written(folder: Path) -> str:
    """All that processes of the API have written: logs, and what they keep on disk."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "keys.json"]
    assert [path for path in files if path.suffix == ".log"]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


def answers(server: Server, key: str) -> str:
    """What clients are answered at both ports, with the key, without one, and with one of another scheme."""
    headers = {"Authorization": f"Bearer {key}"}
    asked = [
        server.http.request(method, f"{url}{path}", json=body, headers=given)
        for url, path, method, body in (
            (server.url, "/predict", "POST", BODY),
            (server.url, f"/predict?key={key}", "POST", {"samples": [{}]}),
            (server.url, "/metadata", "GET", None),
            (server.url, "/ready", "GET", None),
            (server.admin_url, "/metrics", "GET", None),
            (server.admin_url, "/reload", "POST", None),
        )
        for given in ({}, headers, {"Authorization": f"Basic {key}"})
    ]
    return "\n".join(f"{answer.status_code} {answer.headers} {answer.text}" for answer in asked)


def test_no_password_key_or_token_is_written_or_answered(
    start: Callable[..., Server],
    registry: Registry,
    decide: Callable[..., None],
    sound: Path,
    other: Path,
    forest_database: str,
    tmp_path: Path,
) -> None:
    keys = {"shop": {"sha256": hashlib.sha256(SECRET.encode()).hexdigest()}}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    record = as_serving(forest_database).replace("@", f":{ONE}%2F{TWO}@")
    registry.promote(1, sound)
    decide(1, sound)
    server = start(
        registry.url,
        MLFLOW_TRACKING_USERNAME="serving",
        MLFLOW_TRACKING_PASSWORD=SECRET,
        PROMOTION_RECORD_URL=record,
        ADMIN_TOKEN=SECRET,
        CLIENT_KEYS_FILE=str(tmp_path / "keys.json"),
    )
    assert services.wait_until(lambda: server.version() == "1", SECONDS)
    said = answers(server, SECRET)
    assert "200" in said
    assert "401" in said
    registry.promote(2, other)  # the record names the first
    assert services.wait_until(lambda: "refused" in server.get("/metadata").text, SECONDS)
    said += answers(server, SECRET)
    registry.broken = (401, f"who is {SECRET}?".encode())
    assert services.wait_until(lambda: "answered 401" in server.get("/metadata").text, SECONDS)
    said += answers(server, SECRET)
    assert found_in(said, [ONE, TWO]) == set()
    assert found_in(written(tmp_path), [ONE, TWO]) == set()


def test_no_password_is_written_that_a_server_refuses(
    start: Callable[..., Server],
    registry: Registry,
    s3_server: services.S3Server,
    sound: Path,
    tmp_path: Path,
) -> None:
    registry.promote(1, sound)
    with services.own_postgres("of-the-superuser") as postgres:
        url = f"postgresql://postgres:{ONE}%2F{TWO}@127.0.0.1:{postgres.port}/postgres"
        asking = start(registry.url, PROMOTION_RECORD_URL=url)
        assert services.wait_until(lambda: "cannot be read" in asking.get("/ready").text, SECONDS)
        said = answers(asking, SECRET)
    stored = start(
        registry.url,
        MODEL_RUN_URI="s3://data/latest_model.json",
        **{**s3_server.environment, "AWS_SECRET_ACCESS_KEY": SECRET},
    )
    assert services.wait_until(
        lambda: "cannot be read from S3: ClientError" in stored.get("/ready").text, SECONDS
    )
    said += answers(stored, SECRET)
    assert found_in(said, [ONE, TWO]) == set()
    assert found_in(written(tmp_path), [ONE, TWO]) == set()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROMOTION_RECORD_URL", f"postgresql://u:{SECRET}@host/db"),
        ("MLFLOW_TRACKING_URI", f"ftp://u:{SECRET}@host"),
        ("CLIENT_KEYS_FILE", "{}/keys.json"),
    ],
)
def test_no_secret_is_quoted_by_a_process_that_does_not_start(
    tmp_path: Path, variable: str, value: str
) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"shop": SECRET}))
    environment = {"MLFLOW_MODEL_NAME": "forest", "PYTHONPATH": "serving:.", "ADMIN_TOKEN": SECRET}
    environment |= {"BUNDLE_CACHE_DIR": str(tmp_path), "MLFLOW_TRACKING_PASSWORD": SECRET}
    done = subprocess.run(
        [sys.executable, "-m", "app"],
        env={"PATH": os.environ["PATH"], **environment, variable: value.format(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr
    assert found_in(done.stdout + done.stderr, [ONE, TWO]) == set(), done.stderr
