"""What the Airflow image adds to Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dags.conftest import ROOT

OPERATOR = "airflow.providers.cncf.kubernetes.operators.pod"


@pytest.mark.parametrize(
    ("component", "loaded"), [("scheduler", True), ("dag-processor", True), ("api-server", False)]
)
def test_operator_is_loaded_before_the_forks_and_only_where_there_are_forks(
    component: str, loaded: bool
) -> None:
    code = f"import airflow.settings, sys; sys.exit({OPERATOR!r} not in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "images" / "airflow")}
    ended = subprocess.run([sys.executable, "-c", code, component], env=environment, check=False)
    assert (ended.returncode == 0) is loaded


CONNECTING = """
import asyncio, json, sys
from airflow import settings
from sqlalchemy import event

settings.initialize()
taken = {}

def take(name):
    def connect(dialect, record, arguments, parameters):
        taken[name] = parameters
        raise ConnectionAbortedError
    return connect

event.listen(settings.engine, "do_connect", take("libpq"))
event.listen(settings.async_engine.sync_engine, "do_connect", take("asyncpg"))

async def ask():
    await settings.async_engine.connect()

for attempt in (settings.engine.connect, lambda: asyncio.run(ask())):
    try:
        attempt()
    except ConnectionAbortedError:
        pass
print(json.dumps(taken, default=str))
"""


def test_connections_end_with_a_dead_postgres_and_understand_sslmode(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "images" / "airflow"),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://me:word@nowhere:5432/airflow?sslmode=require",
    }
    ended = subprocess.run(
        [sys.executable, "-c", CONNECTING], env=environment, check=True, capture_output=True, text=True
    )
    taken = json.loads(ended.stdout.splitlines()[-1])
    assert (taken["libpq"]["sslmode"], taken["libpq"]["tcp_user_timeout"]) == ("require", 20_000)
    assert taken["libpq"]["keepalives_idle"] + 2 * taken["libpq"]["keepalives_interval"] <= 20
    assert (taken["asyncpg"]["ssl"], taken["asyncpg"]["command_timeout"]) == ("require", 30)
    assert "sslmode" not in taken["asyncpg"]
