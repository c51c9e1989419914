"""The servers that tests talk to: those of the local platform, on loopback, gone after the tests."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from uuid import uuid4

import psycopg2

from quintet.local import mlflow
from quintet.local.postgres import STOP, Postgres
from quintet.local.processes import Running, answers, await_ready, free_ports, spawn, wait_until
from quintet.local.s3 import S3, Key

__all__ = ["answers", "free_ports", "mlflow_server", "postgres", "process", "s3", "wait_until"]

_END_SECONDS = 3  # nothing of a test's server is worth a slow farewell
_SETTINGS = {"max_connections": 150, "fsync": "off"}


@dataclass(frozen=True)
class PostgresServer:
    """A Postgres that trusts whoever reaches its port."""

    server: Postgres

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.port

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return self.server.url(database, user)

    def create_database(self, template: str = "template1", owner: str = "postgres") -> str:
        """Makes a database of its own name, as a copy of another, and gives the name."""
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{owner}"')
        return name

    def execute(self, statements: str, database: str = "postgres", user: str = "postgres") -> None:
        connection = psycopg2.connect(self.url(database, user))
        connection.autocommit = True
        try:
            connection.cursor().execute(statements)
        finally:
            connection.close()


@contextmanager
def postgres(
    password: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresServer]:
    """Runs a Postgres, which asks for passwords when its superuser has one; as root by its own account."""
    folder = Path(tempfile.mkdtemp(prefix="quintet-postgres-"))
    (port,) = free_ports(1)
    server = Postgres(folder / "postgres", port, password)
    try:
        user = server.prepare()
        command = server.command({**_SETTINGS, **(settings or {})})
        running = process(
            command, folder / "log", ready=server.is_ready, user=user, cwd=server.folder, stop=STOP
        )
        with running:
            yield PostgresServer(server)
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class S3Server:
    """An S3 server and a key that may do everything."""

    server: S3

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def environment(self) -> dict[str, str]:
        return self.server.environment("root")

    def create_bucket(self) -> str:
        """Makes a bucket of its own name and gives the name."""
        name = f"test-{uuid4().hex[:12]}"
        assert self.server.make_bucket(name)
        return name


@contextmanager
def s3() -> Iterator[S3Server]:
    """Runs SeaweedFS with its S3 gateway."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="quintet-s3-") as folder:
        server = S3(Path(folder, "s3"), port, {"root": Key(uuid4().hex, uuid4().hex)})
        command = server.command()
        ready = lambda: server.make_bucket("first")  # noqa: E731
        environment = server.server_environment()
        with process(command, Path(folder, "log"), environment, ready=ready, cwd=server.folder):
            yield S3Server(server)


@contextmanager
def mlflow_server() -> Iterator[str]:
    """Runs an MLflow tracking server on SQLite and gives its URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="quintet-mlflow-") as folder:
        command = mlflow.command(Path(sys.executable), port, f"{folder}/artifacts")
        environment = mlflow.environment(f"sqlite:///{folder}/mlflow.db")
        with process(command, Path(folder, "log"), environment, ready=lambda: answers(f"{url}/health")):
            yield url


@contextmanager
def process(
    command: list[str] | list[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    ready: Callable[[], bool],
    user: int | None = None,
    cwd: Path | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[Popen[bytes]]:
    """Runs a server until the block ends.

    Raises:
        UserError: it ended, or was not ready in time; with the end of its log.
    """
    child = spawn(command, log, environment or {}, user=user, cwd=cwd)
    running = Running.of(child.pid)
    try:
        await_ready(str(command[0]), child, log, ready)
        yield child
    finally:
        running.end(stop, _END_SECONDS)
        child.wait()
