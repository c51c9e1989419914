"""The HTTP interface of the SIPSA server."""

from __future__ import annotations

import math
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sipsa_ws import soap
from sipsa_ws.clock import Clock
from sipsa_ws.history import Histories
from sipsa_ws.operations import PATH, SERVICE
from sipsa_ws.quotes import Quotes
from sipsa_ws.settings import Settings
from sipsa_ws.wsdl import schema, wsdl

XML = "text/xml;charset=utf-8"
SOAP = f"{soap.CONTENT_TYPE}; charset=utf-8"
LARGEST_REQUEST = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS


class CutError(Exception):
    """Ends the connection in the middle of an answer."""


def create_app(
    settings: Settings | None = None,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Starlette:
    """Builds the server.

    Args:
        settings: configuration; by default from the environment.
        clock: of its world; by default as the settings say.
        sleep: what makes a slow answer slow.
    """
    settings = settings or Settings()
    clock = clock or Clock(settings.replay_now, settings.replay_speed)
    histories = Histories(Quotes(), settings.history_start)
    asked: Counter[str] = Counter()

    def interface(request: Request) -> Response:
        """Returns the WSDL or the schema; the WSDL says http and port 80, as the real one does."""
        query = request.url.query.lower()
        if query == "wsdl":
            address = f"http://{request.url.hostname}:80{PATH}"
            return Response(wsdl(address, f"{request.base_url}{PATH[1:]}?xsd=1"), media_type=XML)
        if query == "xsd=1":
            return Response(schema(), media_type=XML)
        return HTMLResponse(f"<html><title>Web Services</title><body>{SERVICE}: POST, or ?WSDL</body></html>")

    async def operation(request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != soap.CONTENT_TYPE:
            return Response(status_code=415)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST_REQUEST:
                return Response(status_code=413)
        try:
            name = soap.requested(body)
        except soap.BadRequestError as error:
            return Response(soap.fault(error.code, str(error)), media_type=SOAP)
        asked[name] += 1
        if asked[name] <= settings.fault_answers:
            return Response(soap.fault("Receiver", "Connection pool exhausted"), media_type=SOAP)
        rows = histories.answer(name, clock.now())
        pieces: Iterable[bytes] = soap.answer(name, rows)
        if asked[name] <= settings.fault_answers + settings.cut_answers:
            pieces = _cut(list(pieces))
        headers = {}
        if "gzip" in request.headers.get("accept-encoding", ""):
            pieces, headers = _gzipped(pieces), {"Content-Encoding": "gzip"}
        return StreamingResponse(_slowly(pieces, settings, sleep), media_type=SOAP, headers=headers)

    def health(request: Request) -> JSONResponse:
        """Reports that the server answers, and what its clock shows."""
        return JSONResponse({"status": "OK", "now": clock.now().isoformat()})

    app = Starlette(
        routes=[
            Route(PATH, interface, methods=["GET"]),
            Route(PATH, operation, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
        ]
    )
    app.router.redirect_slashes = False
    return app


def _cut(pieces: list[bytes]) -> Iterator[bytes]:
    """Returns the first half of an answer, to the middle of a row, and no end."""
    half = math.ceil(len(pieces) / 2)
    yield from pieces[: half - 1]
    yield pieces[half - 1][: len(pieces[half - 1]) // 2 + 1]
    raise CutError


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, wbits=_GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _slowly(pieces: Iterable[bytes], settings: Settings, sleep: Callable[[float], None]) -> Iterator[bytes]:
    if settings.first_byte_seconds:
        sleep(settings.first_byte_seconds)
    for piece in pieces:
        if settings.bytes_per_second:
            sleep(len(piece) / settings.bytes_per_second)
        yield piece
