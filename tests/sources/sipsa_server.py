"""A SIPSA server as a process of its own."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import answers, free_ports, process

SOURCES = Path(__file__).resolve().parents[2] / "sources"


@dataclass(frozen=True)
class Started:
    """A server that answers."""

    url: str


@contextmanager
def sipsa_server(**settings: str) -> Iterator[Started]:
    """Runs a server with these settings, its clock standing still unless they say otherwise."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    environment = {"PORT": str(port), "PYTHONPATH": str(SOURCES), "REPLAY_SPEED": "0", **settings}
    with tempfile.TemporaryDirectory(prefix="quintet-sipsa-") as folder:
        command = [sys.executable, "-m", "sipsa_ws"]
        with process(command, Path(folder, "log"), environment, ready=lambda: answers(f"{url}/health")):
            yield Started(url)
