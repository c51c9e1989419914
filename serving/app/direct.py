"""POST /predict without the cost of FastAPI's routing, which is several times that of an answer."""

import time
from itertools import permutations

from fastapi import HTTPException
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.metrics import RequestCounts
from app.predictor import Predictor

PATH = "/predict"
FLAGS = {"true": True, "false": False}
QUERIES = {
    b"": (False, False),
    **{f"probabilities={word}".encode(): (flag, False) for word, flag in FLAGS.items()},
    **{f"strict={word}".encode(): (False, flag) for word, flag in FLAGS.items()},
    **{
        "&".join(order).encode(): (probabilities, strict)
        for first, probabilities in FLAGS.items()
        for second, strict in FLAGS.items()
        for order in permutations((f"probabilities={first}", f"strict={second}"))
    },
}
"""Whether each asks for probabilities and to be strict. Other queries are FastAPI's to read, or to refuse."""
CLIENT_CLOSED_REQUEST = 499


class Direct:
    """Stands before the application, which gets what this does not answer and whose route says the same."""

    def __init__(self, app: ASGIApp, predictor: Predictor, counts: RequestCounts) -> None:
        self._app, self._predictor, self._counts = app, predictor, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a prediction, and notes its status and time."""
        if (
            scope["type"] != "http"
            or scope["path"] != PATH
            or scope["method"] != "POST"
            or scope["query_string"] not in QUERIES
        ):
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500
        try:
            body = await self._predictor.answer(scope, receive, *QUERIES[scope["query_string"]])
            status = 200
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        except (HTTPException, RequestValidationError) as refusal:
            response = await _refused(Request(scope), refusal)
            status = response.status_code
            await response(scope, receive, send)
        except ClientDisconnect:
            status = CLIENT_CLOSED_REQUEST
        finally:
            self._counts.answered(PATH, status, time.perf_counter() - start)


async def _refused(request: Request, refusal: HTTPException | RequestValidationError) -> Response:
    """Returns the answer that FastAPI would give."""
    if isinstance(refusal, HTTPException):
        return await http_exception_handler(request, refusal)
    return await request_validation_exception_handler(request, refusal)
