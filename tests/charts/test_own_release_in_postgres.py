"""What a pipeline's own release makes of a Postgres that a platform has, and what of it stays or goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from quintet.local.postgres import Postgres
from tests.charts.render import CHARTS, Manifest, of_kind, render
from tests.charts.test_own_release import WEATHER
from tests.charts.test_postgres_setup import Setup, assert_done, empty_server, own_server, prepared, query

__all__ = ["empty_server", "own_server"]
ROLES = ("weather", "weather_promotion", "weather_serving")
TABLES = """
CREATE TABLE weather.readings (degrees numeric);
GRANT SELECT, INSERT ON weather.readings TO weather;
"""
VALUES: dict[str, Any] = {
    "global": {"secrets": {"existing": {"postgres-superuser": "own"}}, "pipelines": {"weather": WEATHER}},
    "files": {"dags": {"weather.py": ""}, "migrations": {"0001_tables.sql": TABLES}},
    "postgres": {"external": {"enabled": True, "host": "localhost"}},
}
DATA = {**VALUES, "global": {**VALUES["global"], "removeData": True}}


def job(folder: Path, server: Postgres, name: str, values: dict[str, Any] = VALUES) -> Setup:
    """A Job of the release, by what its name begins with, with the Secrets that it mounts."""
    release = render("pipeline", values, samples=False, release="weather")
    (found,) = [m for m in of_kind(release, "Job") if m["metadata"]["name"].startswith(name)]
    made = Setup(folder / name, server, release, found)
    made.secret("superuser", "installer", "of-installer")
    made.secret("owner", "quintet_owner", "of-quintet_owner")
    for role in ROLES:
        made.secret(role.replace("_", "-"), role, f"of-{role}")
    return made


@pytest.fixture
def platform(tmp_path: Path, empty_server: Postgres) -> Postgres:
    """A server that the platform's own Job has set up, by a role that is no superuser."""
    with psycopg2.connect(empty_server.url("postgres", password="of-the-superuser")) as connection:
        connection.cursor().execute("CREATE ROLE installer LOGIN CREATEROLE CREATEDB PASSWORD 'of-installer'")
    connection.close()
    assert_done(prepared(tmp_path / "platform", empty_server).run())
    return empty_server


@pytest.fixture(autouse=True)
def _without_roles(own_server: Postgres, empty_server: Postgres) -> Any:
    yield
    with psycopg2.connect(own_server.url("quintet", password="of-the-superuser")) as connection:
        cursor = connection.cursor()
        for role in ROLES:
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = %s", (role,))
            if cursor.fetchone():
                cursor.execute(f"DROP OWNED BY {role} CASCADE")
                cursor.execute(f"DROP ROLE {role}")
    connection.close()


def as_owner(server: Postgres, statement: str) -> list[tuple[Any, ...]]:
    return query(server, "quintet", "quintet_owner", statement)


def roles(server: Postgres) -> dict[str, bool]:
    """Its roles that are there, and whether each may log in."""
    return dict(as_owner(server, "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'weather%'"))


def test_a_release_has_its_tables_and_reaches_no_other(tmp_path: Path, platform: Postgres) -> None:
    setup = job(tmp_path, platform, "postgres-setup")
    for _ in range(2):
        assert_done(setup.run())
    query(platform, "quintet", "weather", "INSERT INTO readings VALUES (21.5) RETURNING 1")
    assert query(platform, "quintet", "weather", "SELECT count(*) FROM promotion_decisions") == [(0,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(platform, "quintet", "weather", "SELECT * FROM forest.forest_cover_samples")
    assert roles(platform) == dict.fromkeys(ROLES, True)
    assert query(platform, "quintet", "forest", "SELECT count(*) FROM promotion_decisions") == [(0,)]


def test_what_is_taken_away_comes_again_with_its_data(tmp_path: Path, platform: Postgres) -> None:
    setup = job(tmp_path, platform, "postgres-setup")
    assert_done(setup.run())
    with psycopg2.connect(platform.url("quintet", "weather", "of-weather")) as connection:
        connection.cursor().execute("INSERT INTO readings VALUES (21.5)")
    connection.close()
    assert_done(job(tmp_path, platform, "postgres-removal").run())
    assert roles(platform) == dict.fromkeys(ROLES, False)
    with pytest.raises(psycopg2.OperationalError):
        query(platform, "quintet", "weather", "SELECT 1")
    assert_done(setup.run())
    assert query(platform, "quintet", "weather", "SELECT degrees::text FROM readings") == [("21.5",)]


def test_with_its_data_nothing_is_left_and_it_begins_from_the_start(
    tmp_path: Path, platform: Postgres
) -> None:
    setup = job(tmp_path, platform, "postgres-setup")
    assert_done(setup.run())
    assert_done(job(tmp_path, platform, "postgres-removal", DATA).run())
    assert roles(platform) == {}
    left = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'weather%'"
    assert as_owner(platform, left) == []
    assert as_owner(platform, "SELECT tablename FROM pg_tables WHERE tablename LIKE 'weather%'") == []
    assert_done(setup.run())
    assert query(platform, "quintet", "weather", "SELECT count(*) FROM readings") == [(0,)]


@pytest.mark.parametrize(("values", "left"), [(VALUES, [(2,)]), (DATA, [(0,)])])
def test_roles_that_the_setup_role_may_not_change_are_used_and_left_as_they_are(
    values: dict[str, Any], left: list[tuple[int]], tmp_path: Path, platform: Postgres
) -> None:
    for role in ROLES:
        platform.psql("-c", f"CREATE ROLE {role} LOGIN PASSWORD 'of-{role}'")
    setup = job(tmp_path, platform, "postgres-setup", values)
    assert_done(setup.run())
    assert_done(job(tmp_path, platform, "postgres-removal", values).run())
    assert roles(platform) == dict.fromkeys(ROLES, True)
    assert as_owner(platform, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'weather%'") == left
    assert_done(setup.run())
    assert query(platform, "quintet", "weather", "SELECT count(*) FROM readings") == [(0,)]


@pytest.mark.parametrize("comment", ["Of the pipeline rain", None])
def test_a_schema_that_is_not_its_own_is_refused_before_anything_is_made(
    comment: str | None, tmp_path: Path, platform: Postgres
) -> None:
    with psycopg2.connect(platform.url("quintet", "quintet_owner", "of-quintet_owner")) as connection:
        connection.cursor().execute("CREATE SCHEMA weather_more")
        connection.cursor().execute("COMMENT ON SCHEMA weather_more IS %s", (comment,))
    connection.close()
    ended = job(tmp_path, platform, "postgres-setup").run()
    assert ended.returncode
    assert "The schema weather_more is there already" in ended.stderr
    checked = check(platform, {}, "weather", "weather_more")
    assert (checked.returncode, roles(platform)) == (2, {})
    assert "The schema weather_more is there already and not of the pipeline weather" in checked.stderr
    assert as_owner(platform, "SELECT 1 FROM pg_namespace WHERE nspname = 'weather'") == []


def test_a_pipeline_whose_roles_have_no_room_is_refused(tmp_path: Path, platform: Postgres) -> None:
    allowed = (
        "SELECT current_setting('max_connections')::int - sum(rolconnlimit) FROM pg_roles"
        " WHERE rolcanlogin AND rolconnlimit > 0"
    )
    # The server of the test has less than the chart's.
    platform.psql("-c", "ALTER ROLE airflow CONNECTION LIMIT 1")
    ((room,),) = as_owner(platform, allowed)
    fits = {"SESSIONS": str(room - 10), "RESERVED": "10"}
    assert check(platform, {}, "weather", "weather", **fits).returncode == 0
    refused = check(platform, {}, "weather", "weather", **{**fits, "SESSIONS": str(room - 9)})
    assert refused.returncode == 2
    assert f"may open {room - 9} sessions, and Postgres has room for {room - 10} more" in refused.stderr
    # An upgrade: what its own roles have is its own.
    assert_done(job(tmp_path, platform, "postgres-setup").run())
    assert check(platform, {}, "weather", "weather", **fits).returncode == 0


def check(
    server: Postgres, others: dict[str, Manifest], *schemas: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The check before a release, with what the platform says of its own pipelines."""
    platform = Path(os.environ["PYTEST_CHECK"]) / "claims.json"
    platform.write_text(json.dumps(others), encoding="utf-8")
    text = (
        (CHARTS / "pipeline/files/check.py").read_text().replace("/etc/platform/claims.json", str(platform))
    )
    login = {"PGHOST": "localhost", "PGPORT": str(server.port), "PGUSER": "quintet_owner"}
    own = json.dumps({"schema": list(schemas), "prefix": ["weather/"], "DAG": ["weather"]})
    return subprocess.run(
        [sys.executable, "-c", text, "weather", own, *schemas],
        env={**os.environ, **login, "PGPASSWORD": "of-quintet_owner", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def _place_of_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_CHECK", str(tmp_path))


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ({"weather": {}}, "The platform's own release has a pipeline weather"),
        ({"rain": {"schema": ["weather"]}}, "The schema weather is that of the platform's pipeline rain"),
        (
            {"rain": {"prefix": ["weather/in/"]}},
            "The prefix weather/ is that of the platform's pipeline rain",
        ),
        ({"rain": {"DAG": ["weather"]}}, "The DAG weather is that of the platform's pipeline rain"),
    ],
)
def test_what_a_pipeline_of_the_platform_has_is_refused(
    others: dict[str, Any], sentence: str, platform: Postgres
) -> None:
    ended = check(platform, others, "weather")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr


def test_what_nobody_has_is_not_refused(platform: Postgres) -> None:
    assert check(platform, {"rain": {"schema": ["rain"], "DAG": ["rain"]}}, "weather").returncode == 0
