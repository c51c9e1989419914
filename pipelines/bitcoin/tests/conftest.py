"""A database with the bitcoin pipeline's tables, and the exchange's server at a moment of a test's choice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import services

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def bitcoin_database(make_database: Callable[[str], str]) -> str:
    """The URL, as role `bitcoin`, of a fresh database with the tables."""
    return make_database("bitcoin")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts the market data server with some settings, and gives its URL."""
    with ExitStack() as running:

        def start(**settings: str) -> str:
            (port,) = services.free_ports(1)
            url = f"http://127.0.0.1:{port}"
            environment = {"PYTHONPATH": str(REPOSITORY / "sources"), "PORT": str(port), **settings}
            running.enter_context(
                services.process(
                    [sys.executable, "-m", "binance"],
                    tmp_path / f"exchange-{port}.log",
                    {"BIND_HOST": "127.0.0.1", "REPLAY_SPEED": "0", **environment},
                    ready=lambda: services.answers(f"{url}/health"),
                )
            )
            return url

        yield start
