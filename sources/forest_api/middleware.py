"""Requests that mean what another says: asked with HEAD, or with a slash at the end of the path."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadAndTrailingSlash:
    """ASGI middleware. A redirect would name this server's scheme and host, which are not a proxy's."""

    def __init__(self, app: ASGIApp, unsafe: str) -> None:
        """Stands before the application.

        Args:
            app: that answers.
            unsafe: the path of which a GET changes what others get, which HEAD must not.
        """
        self._app, self._unsafe = app, unsafe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on; the server itself leaves out the body of an answer to HEAD."""
        if scope["type"] == "http":
            path = scope["path"].rstrip("/") or "/"
            head = scope["method"] == "HEAD" and path != self._unsafe
            scope = {**scope, "path": path, "method": "GET" if head else scope["method"]}
        await self._app(scope, receive, send)
