"""Whose rights the exports of `quintet env` have."""

from __future__ import annotations

import base64
import os
import subprocess
from typing import Any

import pytest

from quintet.ops import env, shell_variables
from quintet.ops.env import chosen, connections
from quintet.ops.kube import Kube
from quintet.paths import PIPELINES
from quintet.pipelines import Pipeline
from quintet.progress import UserError
from tests.unit.cli.test_kube import SECRETS, releases

DAGS = {"dags": {"take_in": {}, "learn": {"after": ["take_in"]}}}
MODEL = {"name": "rain", "promotion": {"step": "promote"}}
GIVEN: dict[str, dict[str, Any]] = {
    "counts": {"dags": {"count": {}}},
    "weather": {**DAGS, "schemas": ["weather"], "model": MODEL},
}
WEATHER, COUNTS = (Pipeline(PIPELINES / name, GIVEN[name]) for name in ("weather", "counts"))
PORTS = {"postgres": 1, "s3": 2, "mlflow": 3}


@pytest.fixture
def held(answers: dict[str, Any]) -> None:
    """A release of two pipelines, and their Secrets."""
    secrets = {
        "postgres-weather": {"url": "postgresql://weather:p@postgres.quintet.svc:5432/quintet"},
        "postgres-weather-promotion": {
            "url": "postgresql://weather_promotion:p@postgres.quintet.svc:5432/quintet"
        },
        "minio-weather": {"access-key": "weather", "secret-key": "s"},
        "minio-counts": {"access-key": "counts", "secret-key": "s"},
        "mlflow-weather": {"username": "mlflow-weather", "password": "m"},
        "mlflow-weather-promotion": {"username": "mlflow-weather-promotion", "password": "m"},
    }
    answers[SECRETS] = releases({"global": {"pipelines": GIVEN}})
    for name, data in secrets.items():
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        answers[f"{SECRETS}/{name}"] = {"data": encoded}


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("promotion", "role", "user"),
    [(False, "weather", "mlflow-weather"), (True, "weather_promotion", "mlflow-weather-promotion")],
)
def test_only_who_asks_for_them_has_the_rights_of_promotion(
    kube: Kube, promotion: bool, role: str, user: str
) -> None:
    exports = connections(kube, PORTS, WEATHER, promotion=promotion)
    assert exports["DATABASE_URL"] == f"postgresql://{role}:p@localhost:1/quintet"
    assert exports["MLFLOW_TRACKING_USERNAME"] == user


@pytest.mark.usefixtures("held")
def test_a_pipeline_without_tables_and_a_model_has_keys_of_s3_alone(kube: Kube) -> None:
    exports = connections(kube, PORTS, COUNTS)
    assert exports["AWS_ACCESS_KEY_ID"] == "counts"
    assert not [name for name in exports if name.startswith(("DATABASE", "MLFLOW"))]
    with pytest.raises(UserError, match="counts promotes nothing"):
        connections(kube, PORTS, COUNTS, promotion=True)


@pytest.mark.usefixtures("held")
def test_the_pipeline_is_the_one_that_is_named_or_shows_the_platform(kube: Kube) -> None:
    assert chosen(kube, "").name == "weather"
    assert chosen(kube, "counts").name == "counts"
    with pytest.raises(UserError, match="no pipeline wind; it has counts, weather"):
        chosen(kube, "wind")


def test_without_a_pipeline_there_are_no_rights_to_give(answers: dict[str, Any], kube: Kube) -> None:
    left_out = {"weather": {**GIVEN["weather"], "enabled": False}}
    answers[SECRETS] = releases({"global": {"pipelines": left_out}})
    with pytest.raises(UserError, match="The release has no pipeline"):
        chosen(kube, "")


def printed_env(kube: Kube, capsys: pytest.CaptureFixture[str]) -> str:
    env.main(kube, {"postgres": 1, "s3": 2, "mlflow": 3}, "", promotion=False)
    return capsys.readouterr().out


@pytest.mark.usefixtures("held")
def test_what_a_shell_has_of_another_platform_is_forgotten(
    kube: Kube, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "_tools", lambda: {"KUBECONFIG": "/ours"})
    monkeypatch.setenv("NO_PROXY", ".corp,localhost")
    monkeypatch.delenv("no_proxy", raising=False)
    printed = printed_env(kube, capsys)
    others = dict.fromkeys(
        shell_variables.OF_S3 + shell_variables.OF_POSTGRES + shell_variables.OF_MLFLOW, "another"
    )
    others |= dict.fromkeys(shell_variables.OF_THE_CLUSTER, "another")
    assert {
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "PGPASSFILE",
        "PGSERVICE",
        "MLFLOW_TRACKING_TOKEN",
    } <= others.keys()
    shell = subprocess.run(
        ["sh", "-c", 'eval "$1"; exec env -0', "sh", printed],
        env={"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "theirs", "KUBECONFIG": "/theirs", **others},
        capture_output=True,
        text=True,
        check=True,
    )
    left = dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if entry)
    assert "another" not in left.values()
    assert (left["AWS_ACCESS_KEY_ID"], left["KUBECONFIG"]) == ("weather", "/ours")
    assert (left["NO_PROXY"], left["no_proxy"]) == (".corp,localhost,127.0.0.1", "localhost,127.0.0.1")
