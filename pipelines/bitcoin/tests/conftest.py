"""A database with the bitcoin pipeline's tables, and the exchange's server at a moment of a test's choice."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from binance.bars import Bars


@pytest.fixture
def bitcoin_database(make_database: Callable[[str], str]) -> str:
    """The URL, as role `bitcoin`, of a fresh database with the tables."""
    return make_database("bitcoin")


@contextmanager
def serving(**settings: str) -> Iterator[str]:
    # Not at the top: the environment of a step has no exchange, and tests without one run in it.
    import uvicorn

    from binance.app import create_app
    from binance.settings import Settings

    given = {name.lower(): value for name, value in {"REPLAY_SPEED": "0", **settings}.items()}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # As in the server's own program.
        config = uvicorn.Config(create_app(Settings(**given), _bars()), log_level="warning", http="h11")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@cache
def _bars() -> Bars:
    """The market, which no server changes."""
    from binance.bars import Bars

    return Bars()


@pytest.fixture
def exchange() -> Iterator[Callable[..., str]]:
    """Starts the market data server with some settings, and gives its URL."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(serving(**settings))
