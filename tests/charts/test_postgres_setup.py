"""The setup Job of the Postgres chart against a server of one's own, by roles that may do less than all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from quintet.local.postgres import Postgres, binaries
from tests import services
from tests.charts.render import Manifest, named, render, sample_values

PASSWORD = "of-the-superuser"
VALUES: dict[str, Any] = {
    "global": {
        "secrets": {"existing": {"postgres-superuser": "own"}},
        "pipelines": {name: sample_values()["global"]["pipelines"][name] for name in ("forest", "sipsa")},
    },
    "external": {"enabled": True, "host": "localhost"},
}
DATABASES = {
    "airflow": "airflow",
    "mlflow_db": "mlflow",
    "mlflow_auth": "mlflow_auth",
    "quintet": "quintet_owner",
}
ROLES = [*DATABASES.values(), "forest", "forest_promotion", "forest_serving", "sipsa"]


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgres]:
    """A server that asks for passwords, whose roles and databases are this module's alone."""
    with services.own_postgres(PASSWORD) as server:
        yield server


@pytest.fixture
def empty_server(own_server: Postgres) -> Iterator[Postgres]:
    yield own_server
    connection = psycopg2.connect(own_server.url("postgres", password=PASSWORD))
    connection.autocommit = True
    cursor = connection.cursor()
    for database in DATABASES:
        cursor.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    for database in ("postgres", "template1"):
        cursor.execute(f"GRANT CONNECT ON DATABASE {database} TO PUBLIC")
    cursor.execute("SELECT rolname FROM pg_roles")
    there = {role for (role,) in cursor.fetchall()}
    # In reverse of who made whom: a role that granted something cannot go before it is taken back.
    for role in [*ROLES, "installer"]:
        if role in there:
            cursor.execute(f"DROP OWNED BY {role} CASCADE")
            cursor.execute(f"DROP ROLE {role}")
    connection.close()


class Setup:
    """The Job of some values, as a process here: the pod's files in a folder, its environment as it is."""

    def __init__(self, folder: Path, server: Postgres, release: tuple[Manifest, ...], job: Manifest) -> None:
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        self.environment = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
        self.environment |= {"PGHOST": "localhost", "PGPORT": str(server.port)}
        self.places = {mount["mountPath"]: folder / mount["name"] for mount in container["volumeMounts"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        for volume in pod["volumes"]:
            if "configMap" in volume:
                data = named(release, "ConfigMap", volume["configMap"]["name"])["data"]
                items = volume["configMap"].get("items", [{"key": key, "path": key} for key in data])
                for item in items:
                    self.write(mounts[volume["name"]], item["path"], self.here(data[item["key"]]))
        self.command = [self.here(part) for part in container["command"]]

    def here(self, text: str) -> str:
        """A text with the pod's paths led to this test's folder."""
        for path, place in self.places.items():
            text = text.replace(path, str(place)) if path != "/tmp" else text  # noqa: S108 - the pod's
        return text

    def write(self, mount: str, name: str, text: str) -> None:
        file = self.places[mount] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def secret(self, name: str, username: str, password: str) -> None:
        self.write("/run/postgres", f"{name}/username", username)
        self.write("/run/postgres", f"{name}/password", password)

    def run(self) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(binaries()), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**self.environment, "PATH": path, "PGCONNECT_TIMEOUT": "5"}
        environment = {name: self.here(value) for name, value in environment.items()}
        return subprocess.run(
            self.command, env=environment, capture_output=True, text=True, check=False, timeout=600
        )


def prepared(folder: Path, server: Postgres, values: Manifest = VALUES) -> Setup:
    """The Job with a Secret for each role, and `installer` as the one that it sets up by."""
    release = render("postgres", values, samples=False)
    setup = Setup(folder, server, release, named(release, "Job", "postgres-setup"))
    setup.secret("superuser", "installer", "of-installer")
    setup.secret("owner", "quintet_owner", "of-quintet_owner")
    for role in ROLES:
        if role != "quintet_owner":
            setup.secret(role.replace("_", "-"), role, f"of-{role}")
    return setup


def query(server: Postgres, database: str, role: str, statement: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(server.url(database, role, f"of-{role}"))
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall()
    finally:
        connection.close()


def assert_done(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr  # such as a privilege that could not be revoked


def bounds(server: Postgres) -> dict[str, bool]:
    """What of a server a pipeline's role is kept from, whatever it tries."""

    def is_kept_from(database: str, *statements: str) -> bool:
        try:
            for statement in statements:
                query(server, database, "sipsa", statement)
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.OperationalError) as error:
            if "permission denied" not in str(error):
                raise
            return True
        return False

    made = ("SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, 'x')")
    sessions = "ALTER ROLE sipsa CONNECTION LIMIT -1"
    lifted = "ALTER ROLE sipsa SET statement_timeout = 0; SHOW statement_timeout"
    return {
        "large objects": all(is_kept_from("quintet", statement) for statement in made),
        "other databases": all(is_kept_from(name, "SELECT 1") for name in ("postgres", "template1")),
        "sessions": is_kept_from("quintet", sessions),
        "time-outs": is_kept_from("quintet", lifted),
    }


def assert_complete(server: Postgres) -> None:
    """Every role enters its own database by its Secret, no other does, and a step uses its tables alone."""
    for database, owner in DATABASES.items():
        assert query(server, database, owner, "SELECT current_database()") == [(database,)]
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        query(server, "airflow", "mlflow", "SELECT 1")
    assert query(server, "quintet", "forest", "SHOW search_path") == [("forest",)]
    assert query(server, "quintet", "forest", "SHOW idle_in_transaction_session_timeout") == [("5min",)]
    assert query(server, "quintet", "forest", "SELECT count(*) FROM promotion_decisions") == [(0,)]
    for role, writes in (("forest", False), ("forest_promotion", True)):
        may = f"SELECT has_table_privilege('{role}', 'forest.promotion_decisions', 'INSERT')"
        assert query(server, "quintet", role, may) == [(writes,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(server, "quintet", "forest_promotion", "SELECT count(*) FROM forest.ingest_audit")
    champion = "SELECT challenger_digest FROM promotion_decisions WHERE model_name = 'forest'"
    assert query(server, "quintet", "forest_serving", champion) == []
    assert query(server, "quintet", "forest_serving", "SHOW statement_timeout") == [("5s",)]
    for more in ("SELECT reason FROM promotion_decisions", "CREATE TEMPORARY TABLE own ()"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(server, "quintet", "forest_serving", more)
    for others in ("forest.promotion_decisions", "migrations.sipsa"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(server, "quintet", "sipsa", f"SELECT count(*) FROM {others}")
    limits = "SELECT rolname, rolconnlimit FROM pg_roles WHERE rolname IN ('airflow', 'forest_serving')"
    assert dict(query(server, "airflow", "airflow", limits)) == {"airflow": 60, "forest_serving": 3}


@pytest.mark.parametrize("rights", ["SUPERUSER", "CREATEROLE CREATEDB NOINHERIT"])
def test_a_role_that_may_create_roles_and_databases_sets_up_a_server(
    rights: str, tmp_path: Path, empty_server: Postgres
) -> None:
    empty_server.psql("-c", f"CREATE ROLE installer LOGIN PASSWORD 'of-installer' {rights}")
    is_the_charts_own = rights == "SUPERUSER"
    external = {} if is_the_charts_own else VALUES["external"]
    setup = prepared(tmp_path, empty_server, {**VALUES, "external": external})
    for _ in range(2):
        assert_done(setup.run())
        assert_complete(empty_server)
    assert bounds(empty_server) == {
        "large objects": is_the_charts_own,
        "other databases": is_the_charts_own,
        "sessions": True,
        "time-outs": False,
    }
    assert query(
        empty_server,
        "quintet",
        "quintet_owner",
        # Before Postgres 16 a membership has no options, and gives all that they would.
        "SELECT count(*) FROM (SELECT to_jsonb(m) AS given FROM pg_auth_members m"
        " WHERE member = 'installer'::regrole) AS memberships"
        " WHERE coalesce((given ->> 'set_option')::boolean OR (given ->> 'inherit_option')::boolean, true)",
    ) == [(0,)]

    # The Secret is what holds: a new password in it reaches the server.
    setup.secret("forest", "forest", "of-forest-again")
    assert setup.run().returncode == 0
    psycopg2.connect(empty_server.url("quintet", "forest", "of-forest-again")).close()


def test_the_setup_role_changes_its_own_password_by_the_former_one(
    tmp_path: Path, empty_server: Postgres
) -> None:
    empty_server.psql("-c", "CREATE ROLE installer LOGIN PASSWORD 'of-before' CREATEROLE CREATEDB")
    setup = prepared(tmp_path, empty_server)
    refused = setup.run()
    assert 'password authentication failed for user "installer"' in refused.stderr
    setup.write("/run/postgres", "superuser/former-password", "of-before")
    for _ in range(2):
        assert_done(setup.run())
        assert query(empty_server, "postgres", "installer", "SELECT 1") == [(1,)]
    assert_complete(empty_server)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(empty_server.url("postgres", "installer", "of-before"))


def make_beforehand(server: Postgres) -> None:
    statements = ["CREATE ROLE installer LOGIN PASSWORD 'of-installer'"]
    for role in ROLES:
        limit = {"airflow": 60, "forest_serving": 3}.get(role, 20)
        statements.append(f"CREATE ROLE {role} LOGIN PASSWORD 'of-{role}' CONNECTION LIMIT {limit}")
    statements += [f"CREATE DATABASE {database} OWNER {owner}" for database, owner in DATABASES.items()]
    for statement in statements:
        server.psql("-c", statement)


def test_a_role_that_may_create_nothing_takes_what_was_made_beforehand(
    tmp_path: Path, empty_server: Postgres
) -> None:
    make_beforehand(empty_server)
    setup = prepared(tmp_path, empty_server)
    for _ in range(2):
        assert_done(setup.run())
        assert_complete(empty_server)


def test_a_server_whose_owner_makes_no_role_of_serving_is_set_up_without(
    tmp_path: Path, empty_server: Postgres
) -> None:
    make_beforehand(empty_server)
    empty_server.psql("-c", "DROP ROLE forest_serving")
    setup = prepared(tmp_path, empty_server, {**VALUES, "servingRole": {"enabled": False}})
    assert_done(setup.run())
    assert query(empty_server, "quintet", "forest", "SELECT count(*) FROM promotion_decisions") == [(0,)]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            "DROP ROLE forest_serving",
            "The role forest_serving is not there, and the setup role installer has no CREATEROLE",
        ),
        ("DROP ROLE sipsa", "The role sipsa is not there, and the setup role installer has no CREATEROLE"),
        (
            "DROP DATABASE mlflow_db",
            "The database mlflow_db is not there, and the setup role installer has no CREATEDB",
        ),
        ("ALTER DATABASE quintet OWNER TO sipsa", "ALTER DATABASE quintet OWNER TO quintet_owner"),
        ("ALTER ROLE airflow PASSWORD 'another'", 'password authentication failed for user "airflow"'),
    ],
)
def test_what_is_missing_beforehand_is_named(
    spoil: str, sentence: str, tmp_path: Path, empty_server: Postgres
) -> None:
    make_beforehand(empty_server)
    empty_server.psql("-c", spoil)
    ended = prepared(tmp_path, empty_server).run()
    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert "of-" not in ended.stderr


@pytest.mark.parametrize("password", ["of-installer", "of-before"])
def test_a_server_that_is_too_old_is_refused_before_anything_changes(
    password: str, tmp_path: Path, empty_server: Postgres
) -> None:
    empty_server.psql("-c", f"CREATE ROLE installer LOGIN PASSWORD '{password}' SUPERUSER")
    setup = prepared(tmp_path, empty_server)
    setup.write("/run/postgres", "superuser/former-password", "of-before")
    # The servers of the tests are new enough, so this one is measured against a server of the future.
    script = setup.places["/etc/postgres-setup"] / "setup.sh"
    needed, of_the_future = "--set=oldest=15 ", "--set=oldest=99 "
    assert needed in script.read_text()
    script.write_text(script.read_text().replace(needed, of_the_future))
    ended = setup.run()
    assert ended.returncode != 0
    assert re.search(r"This server is PostgreSQL \d+\.\d+, and Quintet needs 99 or newer: ", ended.stderr)
    connection = psycopg2.connect(empty_server.url("postgres", "installer", password))
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = ANY(%s)", [ROLES])
    assert cursor.fetchall() == [(0,)]
    connection.close()


def test_a_secret_of_another_role_is_refused(tmp_path: Path, empty_server: Postgres) -> None:
    empty_server.psql("-c", "CREATE ROLE installer LOGIN PASSWORD 'of-installer' SUPERUSER")
    setup = prepared(tmp_path, empty_server)
    setup.secret("airflow", "somebody", "of-airflow")
    ended = setup.run()
    assert ended.returncode == 2
    assert ended.stderr == "The Secret of the role airflow must say so: its username is somebody.\n"
