"""Imported by every Airflow process as it starts: how it reaches its database, and what it loads early."""

import importlib
import sys
from typing import Any

from airflow.configuration import conf
from sqlalchemy import create_engine, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from pipeline_releases.policy import dag_policy

# Airflow takes these in place of its own.
__all__ = ["create_async_metadata_engine", "create_metadata_engine", "dag_policy"]

# A Postgres whose pod or node is killed says no farewell, and the kernel waits 15 minutes for its answer.
# Measured without these: the API server stood still until its liveness probe restarted it.
DEAD_WITHIN_20_SECONDS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}
STATEMENT_SECONDS = 30

# DAG files outside of the platform's folder of DAGs import `pods` from it.
sys.path.append(conf.get_mandatory_value("core", "dags_folder"))

# The scheduler forks a process for each task, and the DAG processor one for each parse. Without this each of
# them would import the operator again: 1 s of a core, measured; and the bundle with its client of S3.
if {"scheduler", "dag-processor"} & set(sys.argv[1:]):
    importlib.import_module("airflow.providers.cncf.kubernetes.operators.pod")
    importlib.import_module("pipeline_releases.bundle")


def create_metadata_engine(url: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]) -> Engine:
    """Makes the engine of most of Airflow, whose driver is libpq."""
    return create_engine(url, connect_args=DEAD_WITHIN_20_SECONDS | connect_args, **engine_args)


def create_async_metadata_engine(
    url: str, *, connect_args: dict[str, Any], engine_args: dict[str, Any] | None = None
) -> AsyncEngine:
    """Makes the engine of the rest, whose driver is asyncpg: it calls `ssl` what libpq calls `sslmode`."""
    parsed = make_url(url)
    if mode := parsed.query.get("sslmode"):
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return create_async_engine(
        parsed, connect_args={"command_timeout": STATEMENT_SECONDS} | connect_args, **(engine_args or {})
    )
