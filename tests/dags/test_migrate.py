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
from cryptography.fernet import Fernet
from sqlalchemy import select, text

SCRIPTS = Path(__file__).resolve().parents[2] / "charts/airflow/files/scripts"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", Fernet.generate_key().decode())


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


def value(name: str) -> str:
    with create_session() as session:
        return str(session.scalars(select(Variable).filter_by(key=name)).one().get_val())


def slots(name: str) -> int:
    with create_session() as session:
        return int(session.scalars(select(Pool).filter_by(pool=name)).one().slots)


def test_an_object_follows_its_value_until_a_person_edits_it(given: Path) -> None:
    objects = load("objects")
    names = ["test_pool", "forest_min_rows", "by_json", "by_uri"]
    assert objects.bring(given, {"test_pool": 2}) == {"added": names, "changed": [], "edited": []}
    assert objects.bring(given, {"test_pool": 2}) == {"added": [], "changed": [], "edited": []}

    (given / "variables/..data/forest_min_rows").write_text("200")
    (given / "connections/..data/by_uri").write_text("postgresql://u:other@host:5432/db")
    assert objects.bring(given, {"test_pool": 3})["changed"] == ["test_pool", "forest_min_rows", "by_uri"]
    assert (slots("test_pool"), value("forest_min_rows")) == (3, "200")
    with create_session() as session:
        by_uri = session.scalars(select(Connection).filter_by(conn_id="by_uri")).one()
        assert (by_uri.host, by_uri.port, by_uri.password) == ("host", 5432, "other")
        session.scalars(select(Variable).filter_by(key="forest_min_rows")).one().set_val("7")
        session.scalars(select(Pool).filter_by(pool="test_pool")).one().slots = 9

    done = objects.bring(given, {"test_pool": 4})
    assert done == {"added": [], "changed": [], "edited": ["test_pool", "forest_min_rows"]}
    assert (slots("test_pool"), value("forest_min_rows")) == (9, "7")
    objects.bring(given, {"test_pool": 9})
    assert objects.bring(given, {"test_pool": 4})["changed"] == ["test_pool"]


def test_pods_wait_for_the_revision_that_airflow_migrates_to() -> None:
    wait = load("wait")
    with create_session() as session:
        (migrated,) = session.execute(text("select version_num from alembic_version")).one()
    known, newest = wait.known_revisions(wait.MIGRATIONS)
    assert newest == migrated
    assert newest in known


def test_what_a_release_made_goes_with_it_and_what_a_person_edited_stays(tmp_path: Path) -> None:
    objects = load("objects")
    for name in ("variables/weather_city", "variables/weather_days", "connections/weather_db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("postgresql://u@host/db")
    objects.bring(tmp_path, {})
    with create_session() as session:
        session.scalars(select(Variable).filter_by(key="weather_days")).one().set_val("30")
    done = objects.take_away(tmp_path)
    assert done == {"deleted": ["weather_city", "weather_db"], "edited": ["weather_days"]}
    with create_session() as session:
        left = set(session.scalars(select(Variable.key))) | set(session.scalars(select(Connection.conn_id)))
    assert left & {"weather_city", "weather_db", "weather_days"} == {"weather_days"}
