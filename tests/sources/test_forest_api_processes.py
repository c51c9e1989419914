"""Several processes of the forest data API over one state folder, killed and started again."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
UP = httpx.Client(transport=httpx.HTTPTransport(retries=9), timeout=30)


class Server:
    """One API process."""

    def __init__(self, state_dir: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "forest_api"],
            env=os.environ
            | {"PYTHONPATH": str(ROOT / "sources"), "STATE_DIR": str(state_dir), "PORT": str(port)}
            | environment,
        )

    def wait(self) -> "Server":
        """Returns when the process answers; the transport retries refused connections with back-off."""
        UP.get(f"{self.url}/health").raise_for_status()
        return self

    def batch(self, group: int = 1) -> int:
        answer = UP.get(f"{self.url}/data", params={"group_number": group})
        return int(answer.raise_for_status().json()["batch_number"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start_one(**environment: str) -> Server:
        servers.append(Server(tmp_path, **environment))
        return servers[-1]

    yield start_one
    for server in servers:
        server.process.terminate()
        server.process.wait()


def batches(servers: list[Server], requests: int) -> list[int]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda i: servers[i % len(servers)].batch(), range(requests)))


def test_two_processes_give_each_batch_once(start: Callable[..., Server]) -> None:
    servers = [start(MIN_UPDATE_SECONDS="0"), start(MIN_UPDATE_SECONDS="0")]
    for server in servers:
        server.wait()
    assert sorted(batches(servers, requests=10)) == list(range(10))
    ended = UP.get(f"{servers[0].url}/data?group_number=1")
    assert ended.status_code == 400


def test_two_processes_agree_within_the_interval(start: Callable[..., Server]) -> None:
    servers = [start(), start()]
    for server in servers:
        server.wait()
    assert set(batches(servers, requests=8)) == {0}


def test_workers_of_one_server_share_the_state(start: Callable[..., Server]) -> None:
    server = start(MIN_UPDATE_SECONDS="0", WEB_CONCURRENCY="2").wait()
    assert sorted(batches([server], requests=10)) == list(range(10))


def test_a_killed_process_leaves_a_sound_state(start: Callable[..., Server]) -> None:
    served = []
    for _ in range(3):
        server = start(MIN_UPDATE_SECONDS="0").wait()
        served.append(server.batch())
        server.kill()
    assert served == [0, 1, 2]
    assert start().wait().batch() == 2


def test_memory_stays_small(start: Callable[..., Server]) -> None:
    server = start().wait()
    server.batch()
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident_kb = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kb < 150_000
