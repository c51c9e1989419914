"""What the Airflow image adds to Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.dags.conftest import ROOT

OPERATOR = "airflow.providers.cncf.kubernetes.operators.pod"
# One process for all that is asked, as Airflow takes seconds to import.
ASKING = f"""
import asyncio, importlib, json, sys
from airflow import settings
from sqlalchemy import event

taken, loaded = {{}}, {{}}

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

# As Airflow has imported it, and then as it would have in its other processes.
image = sys.modules["airflow_local_settings"]
for component in ("api-server", "scheduler", "dag-processor"):
    if sys.argv[1:] != [component]:
        sys.argv[1:] = [component]
        importlib.reload(image)
    loaded[component] = sys.modules.pop({OPERATOR!r}, None) is not None
print(json.dumps({{**taken, "loaded": loaded}}, default=str))
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the image's Airflow gives its two drivers of Postgres, and which components load the operator."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "images" / "airflow"),
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://me:word@nowhere:5432/airflow?sslmode=require",
    }
    command = [sys.executable, "-c", ASKING, "api-server"]
    ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def test_operator_is_loaded_before_the_forks_and_only_where_there_are_forks(asked: dict[str, Any]) -> None:
    assert asked["loaded"] == {"api-server": False, "scheduler": True, "dag-processor": True}


def test_connections_end_with_a_dead_postgres_and_understand_sslmode(asked: dict[str, Any]) -> None:
    assert (asked["libpq"]["sslmode"], asked["libpq"]["tcp_user_timeout"]) == ("require", 20_000)
    assert asked["libpq"]["keepalives_idle"] + 2 * asked["libpq"]["keepalives_interval"] <= 20
    assert (asked["asyncpg"]["ssl"], asked["asyncpg"]["command_timeout"]) == ("require", 30)
    assert "sslmode" not in asked["asyncpg"]
