"""One Postgres, one S3 and one MLflow a run, for all its workers: the first who asks starts a server.

A test keeps apart from the others by a database, a bucket, an experiment or a model of its own. The process
that pytest was started as ends the servers.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from quintet.local import mlflow
from quintet.local import postgres as postgres_program
from quintet.local.platform import for_sqlalchemy
from quintet.local.postgres import Postgres
from quintet.local.processes import Running, answers, await_ready, free_ports, spawn
from quintet.local.s3 import S3, Key
from tests.places import RUN_FOLDER
from tests.services import END_SECONDS, PostgresServer, S3Server

_SETTINGS = {"max_connections": 300, "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_STOPS = {"postgres": postgres_program.STOP}
Facts = dict[str, Any]


@contextmanager
def outside_pytest() -> Iterator[None]:
    """Have the servers in a program that pytest does not run, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="quintet-") as folder:
        os.environ[RUN_FOLDER] = folder
        try:
            yield
        finally:
            end(Path(os.environ.pop(RUN_FOLDER)))


def end(folder: Path) -> None:
    """End the servers of a run.

    Args:
        folder: of the run.
    """
    # MLflow's sessions end before the Postgres that they are in.
    for name in ("mlflow", "s3", "postgres"):
        record = folder / name / "server.json"
        if record.exists():
            running = Running(**json.loads(record.read_text())["running"])
            running.end(_STOPS.get(name, signal.SIGTERM), END_SECONDS)


def postgres() -> PostgresServer:
    """Return the run's Postgres, which trusts whoever reaches its port."""
    return PostgresServer(_started("postgres", _start_postgres)["port"])


def s3() -> S3Server:
    """Return the run's SeaweedFS with its S3 gateway."""
    return S3Server(_started("s3", _start_s3)["environment"])


def mlflow_url() -> str:
    """Return the URL of the run's MLflow tracking server, whose database is in the run's Postgres."""
    return f"http://127.0.0.1:{_started('mlflow', _start_mlflow)['port']}"


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """Have a name for oneself among the workers, and the run's folder."""
    folder = Path(os.environ[RUN_FOLDER])
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def mlflow_database() -> str:
    """Return the URL of that server's database, for SQLAlchemy."""
    return str(_started("mlflow", _start_mlflow)["database"])


def _started(name: str, start: Callable[[Path, int], Facts]) -> Facts:
    with alone(name) as run:
        record = run / name / "server.json"
        if not record.exists():
            record.parent.mkdir(mode=0o755, exist_ok=True)
            (port,) = free_ports(1)
            facts = start(record.parent, port)
            record.write_text(json.dumps(facts | {"port": port}))
    found: Facts = json.loads(record.read_text())
    return found


def _serve(
    folder: Path,
    command: list[str | Path],
    ready: Callable[[], bool],
    user: int | None = None,
    **variables: str,
) -> Facts:
    """Start a server and return what ends it."""
    log = folder / "log"
    child = spawn(command, log, variables, user=user, cwd=folder)
    running = Running.of(child.pid)
    try:
        await_ready(folder.name, child, log, ready)
    except BaseException:
        running.end(signal.SIGKILL, END_SECONDS)
        raise
    return {"running": asdict(running)}


def _start_postgres(folder: Path, port: int) -> Facts:
    folder.parent.chmod(0o711)  # its server runs as a user of its own where we are root
    server = Postgres(folder / "postgres", port, password=None)
    user = server.prepare()
    return _serve(server.folder, server.command(_SETTINGS), server.is_ready, user)


def _start_s3(folder: Path, port: int) -> Facts:
    server = S3(folder / "s3", port, {"root": Key(uuid4().hex, uuid4().hex)})
    command = server.command()
    facts = _serve(server.folder, command, lambda: server.make_bucket("first"), **server.server_environment())
    return facts | {"environment": server.environment("root")}


def _start_mlflow(folder: Path, port: int) -> Facts:
    server = postgres()
    database = for_sqlalchemy(server.url(server.create_database()))
    command = mlflow.command(Path(sys.executable), port, str(folder / "artifacts"))
    url = f"http://127.0.0.1:{port}/health"
    served = _serve(folder, command, lambda: answers(url), **mlflow.environment(database))
    return served | {"database": database}
