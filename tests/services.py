"""The servers that tests talk to: those of the local platform, on loopback, gone after the tests."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING

from quintet.local.processes import Running, answers, await_ready, free_ports, spawn, wait_until
from quintet.testing.servers import PostgresServer, S3Server
from quintet.testing.shared_servers import END_SECONDS

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


@contextmanager
def own_postgres(password: str, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """Runs a Postgres of a test's own, which asks for passwords; as root by an account of its own."""
    # Needs more than the environment of a step holds.
    from quintet.local.postgres import STOP, Postgres
    from quintet.testing.starts import postgres_programs

    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="quintet-postgres-"))
    server = Postgres(folder / "postgres", port, password, postgres_programs())
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
