"""Counts and times requests."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import RequestCounts


class Measure:
    """ASGI middleware; only paths that have a route are named, so that the number of series is bounded."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app, self._counts = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and notes its path, status and time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        start = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            path = getattr(scope.get("route"), "path", "other")
            self._counts.answered(path, status, time.perf_counter() - start)
