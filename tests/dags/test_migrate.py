"""The migration Job of the airflow chart: what it adds, and what it leaves as a person made it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from airflow.utils.session import create_session
from sqlalchemy import select, text

SCRIPTS = Path(__file__).resolve().parents[2] / "charts/airflow/files/scripts"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """The folder as Kubernetes mounts it: keys are links into a hidden folder."""
    for kind, name, value in (
        ("variables", "forest_min_rows", "100"),
        ("connections", "by_uri", "postgresql://u:p@host:5432/db"),
        ("connections", "by_json", '{"conn_type": "http", "host": "example.org"}'),
    ):
        hidden = tmp_path / kind / "..data"
        hidden.mkdir(parents=True, exist_ok=True)
        (hidden / name).write_text(value)
        (tmp_path / kind / name).symlink_to(hidden / name)
    return tmp_path


def test_absent_objects_are_added_once_and_an_edit_holds(given: Path) -> None:
    migrate = load("migrate")
    added = migrate.add_absent(given, {"test_pool": 2})
    assert added == ["test_pool", "forest_min_rows", "by_json", "by_uri"]
    with create_session() as session:
        session.scalars(select(Variable).filter_by(key="forest_min_rows")).one().set_val("7")
        session.scalars(select(Pool).filter_by(pool="test_pool")).one().slots = 9

    assert migrate.add_absent(given, {"test_pool": 2}) == []
    with create_session() as session:
        assert session.scalars(select(Variable).filter_by(key="forest_min_rows")).one().get_val() == "7"
        assert session.scalars(select(Pool).filter_by(pool="test_pool")).one().slots == 9
        by_uri = session.scalars(select(Connection).filter_by(conn_id="by_uri")).one()
        assert (by_uri.host, by_uri.port, by_uri.password) == ("host", 5432, "p")


def test_pods_wait_for_the_revision_that_airflow_migrates_to() -> None:
    wait = load("wait")
    with create_session() as session:
        (migrated,) = session.execute(text("select version_num from alembic_version")).one()
    known, newest = wait.known_revisions(wait.MIGRATIONS)
    assert newest == migrated
    assert newest in known
