"""Bodies that do not end: admitted by their announced length, bounded together, and given up in time."""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import services
from tests.serving.conftest import Server, Trained
from tests.serving.registry_server import Registry

Samples = list[dict[str, float | str]]
UPLOADS, ANNOUNCED, ADMITTED = 400, 1_000_000, 8
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_400_stalled_uploads_are_refused_and_others_are_answered(
    start: Callable[..., Server],
    registry: Registry,
    trained: dict[str, Trained],
    samples: Samples,
    connections: ExitStack,
) -> None:
    registry.promote(1, trained["linear"].folder)
    server = start(registry.url, BODY_SECONDS="3", MAX_HELD_BYTES=str(ADMITTED * ANNOUNCED + 100_000))
    assert services.wait_until(lambda: server.version() == "1", 60)
    assert server.predict(samples[:1]).status_code == 200
    before = resident_bytes(server.pid)
    port = int(server.url.rpartition(":")[2])
    stalled = []
    for _ in range(UPLOADS):
        upload = connections.enter_context(socket.create_connection(("127.0.0.1", port), 15))
        upload.sendall(HEAD % ANNOUNCED + b" " * 20_000)
        stalled.append(upload)
        if len(stalled) % 50 == 0:
            assert server.predict(samples[:1]).status_code == 200
    assert resident_bytes(server.pid) - before < 2 * ADMITTED * ANNOUNCED
    answers = Counter(upload.recv(12)[9:].decode() for upload in stalled)
    assert answers == {"408": ADMITTED, "429": UPLOADS - ADMITTED}
    assert server.predict(samples).status_code == 200
