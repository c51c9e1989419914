"""The Job that brings MLflow's database to the schema of its image, against a real Postgres."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.render import CHARTS, named, render
from tests.secret_values import found_in
from tests.services import PostgresServer

PASSWORD = "Kq7vLmZp2xRw"
SCRIPTS = CHARTS / "mlflow/files/scripts"


def test_an_empty_database_gets_the_schema_that_the_server_waits_for(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    database = postgres_server.create_database()
    url = postgres_server.url(database, f"postgres:{PASSWORD}")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", url.replace("postgresql:", "postgresql+psycopg2:"))
    wait: dict[str, Any] = runpy.run_path(str(SCRIPTS / "wait.py"))
    lacking: Callable[..., str | None] = wait["lacking"]
    assert "the database has schema None" in str(lacking("migrated", wait["TRACKING"]))
    release = render("mlflow")
    (container,) = named(release, "Job", "mlflow-upgrade")["spec"]["template"]["spec"]["containers"]
    python, script, *words = container["command"]
    assert python == "python"
    # It runs in this process, which has imported MLflow: that takes seconds.
    monkeypatch.setattr(sys, "argv", [script, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(script.replace("/etc/mlflow", str(SCRIPTS)), run_name="__main__")
    assert ended.value.code == 0
    assert lacking("migrated", wait["TRACKING"]) is None
    assert found_in("".join(capfd.readouterr()), [PASSWORD]) == set()
