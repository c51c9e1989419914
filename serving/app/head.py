"""HEAD, which is answered as GET: by proxies' probes and by whoever looks whether the API is there."""

from starlette.types import ASGIApp, Receive, Scope, Send


class Head:
    """ASGI middleware, the outermost; the web server itself leaves out the body of an answer to HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
