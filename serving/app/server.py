"""The web server, which takes leave of its clients before it stops."""

import signal
import time
from types import FrameType

import uvicorn

CLOSE = (b"connection", b"close")


class Server(uvicorn.Server):
    """Goes on for a while after SIGTERM and closes each connection with an answer.

    uvicorn itself closes idle connections at once, in which moment a client may be sending its next request.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        """Prepares a server.

        Args:
            config: uvicorn's.
            drain_seconds: How long an open connection may wait for its next request after SIGTERM.
        """
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to take leave at the first SIGTERM; any other signal stops the server as uvicorn does."""
        if sig != signal.SIGTERM or self._stop_at is not None:
            super().handle_exit(sig, frame)
            return
        self._stop_at = time.monotonic() + self._drain_seconds
        self.config.encoded_headers = [*self.config.encoded_headers, CLOSE]
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]

    async def on_tick(self, counter: int) -> bool:
        """Returns whether to stop: every connection is closed, or has had its time."""
        if self._stop_at is not None and (
            not self.server_state.connections or time.monotonic() >= self._stop_at
        ):
            self.should_exit = True
        return await super().on_tick(counter)
