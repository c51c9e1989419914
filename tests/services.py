"""The servers that tests talk to: those of the local platform, on loopback, gone after the tests."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import psycopg2

from quintet.local.processes import Running, answers, await_ready, free_ports, spawn, wait_until

if TYPE_CHECKING:
    from quintet.local.postgres import Postgres

__all__ = [
    "END_SECONDS",
    "PostgresServer",
    "S3Server",
    "answers",
    "free_ports",
    "own_postgres",
    "process",
    "wait_until",
]

END_SECONDS = 3  # nothing of a test's server is worth a slow farewell


@dataclass(frozen=True)
class PostgresServer:
    """A Postgres that trusts whoever reaches its port."""

    port: int

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1", owner: str = "postgres") -> str:
        """Makes a database of its own name, as a copy of another, and gives the name."""
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{owner}" STRATEGY FILE_COPY')
        return name

    def make_role(self, name: str) -> None:
        """Makes a role that may log in, unless another test has."""
        with suppress(psycopg2.errors.DuplicateObject):
            self.execute(f"CREATE ROLE {name} LOGIN")

    def execute(self, statements: str, database: str = "postgres", user: str = "postgres") -> None:
        connection = psycopg2.connect(self.url(database, user))
        connection.autocommit = True
        try:
            connection.cursor().execute(statements)
        finally:
            connection.close()


@dataclass(frozen=True)
class S3Server:
    """An S3 server and what leads boto3 to it, with a key that may do everything."""

    environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        return self.environment["AWS_ENDPOINT_URL_S3"]

    def create_bucket(self) -> str:
        """Makes a bucket of its own name and gives the name."""
        name = f"test-{uuid4().hex[:12]}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=name)
        return name


@contextmanager
def own_postgres(password: str, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """Runs a Postgres of a test's own, which asks for passwords; as root by an account of its own."""
    # Needs more than the environment of a step holds.
    from quintet.local.postgres import STOP, Postgres

    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="quintet-postgres-"))
    server = Postgres(folder / "postgres", port, password)
    try:
        user = server.prepare()
        command = server.command({"fsync": "off", **(settings or {})})
        running = process(
            command, folder / "log", ready=server.is_ready, user=user, cwd=server.folder, stop=STOP
        )
        with running:
            yield server
    finally:
        shutil.rmtree(folder)


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
        running.end(stop, END_SECONDS)
        child.wait()
