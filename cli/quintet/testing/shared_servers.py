"""One Postgres, one S3 and one MLflow a run, for all its workers: the first who asks starts a server.

A test keeps apart from the others by a database, a bucket, an experiment or a model of its own. The process
that pytest was started as, or `quintet test`, ends the servers. A server that runs already is found with no
more than pytest, boto3 and psycopg2; what starts one is imported by whoever does.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quintet.testing import RUN_FOLDER
from quintet.testing.servers import PostgresServer, S3Server

END_SECONDS = 3  # nothing of a test's server is worth a slow farewell
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
    from quintet.local.postgres import STOP
    from quintet.local.processes import Running

    # MLflow's sessions end before the Postgres that they are in. S3 would wait for clients that may have left
    # without a farewell, with data that nobody needs any more.
    for name, how in (("mlflow", signal.SIGTERM), ("s3", signal.SIGKILL), ("postgres", STOP)):
        record = folder / name / "server.json"
        if record.exists():
            running = Running(**json.loads(record.read_text())["running"])
            running.end(how, END_SECONDS)


def postgres() -> PostgresServer:
    """Return the run's Postgres, which trusts whoever reaches its port."""
    return PostgresServer(_started("postgres")["port"])


def s3() -> S3Server:
    """Return the run's SeaweedFS with its S3 gateway."""
    return S3Server(_started("s3")["environment"])


def mlflow_url() -> str:
    """Return the URL of the run's MLflow tracking server, whose database is in the run's Postgres."""
    return f"http://127.0.0.1:{_started('mlflow')['port']}"


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """Have a name for oneself among the workers, and the run's folder."""
    folder = Path(os.environ[RUN_FOLDER])
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def mlflow_database() -> str:
    """Return the URL of that server's database, for SQLAlchemy."""
    return str(_started("mlflow")["database"])


def _started(name: str) -> Facts:
    with alone(name) as run:
        record = run / name / "server.json"
        if not record.exists():
            from quintet.testing import starts

            record.parent.mkdir(mode=0o755, exist_ok=True)
            record.write_text(json.dumps(starts.START[name](record.parent)))
    found: Facts = json.loads(record.read_text())
    return found
