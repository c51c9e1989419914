"""From the body of a request to the body of its answer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.champion import Champion
from app.metrics import Metrics
from app.model import ServedModel
from app.queue import Queue
from app.settings import Settings

LARGE_BYTES = 4096
"""A larger body is computed in a thread, in whose time probes and small requests are answered."""


class Predictor:
    """Answers with the champion of the moment: small requests in turn, large ones in a thread beside them."""

    def __init__(self, settings: Settings, champion: Champion, metrics: Metrics) -> None:
        self._champion, self._metrics = champion, metrics
        self._max_body_bytes = settings.max_body_bytes
        self._small = Queue(settings.max_waiting_requests, "requests")
        self._large = Queue(settings.max_waiting_batches, "large requests")
        self._thread = ThreadPoolExecutor(1, "large-requests")

    async def answer(self, scope: Scope, receive: Receive, with_probabilities: bool) -> bytes:
        """Gives the answer to a request, as JSON.

        Args:
            scope: The request's, of ASGI.
            receive: Gives its body.
            with_probabilities: Name each class's probability.

        Raises:
            ClientDisconnect: The client is gone before its body was whole.
            HTTPException: 413, 429 or 503, with a sentence.
            RequestValidationError: 422, with the samples and fields at fault.
        """
        model = self._champion.model
        if model is None:
            raise HTTPException(
                503, "There is no model to answer with yet: see /metadata.", {"Retry-After": "5"}
            )
        body = await self._read(scope, receive)
        if len(body) > LARGE_BYTES:
            with self._large.place():
                return await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._compute, model, body, with_probabilities
                )
        with self._small.place():
            # All requests that have come by now take their places before the first of them is computed.
            await asyncio.sleep(0)
            return self._compute(model, body, with_probabilities)

    def _compute(self, model: ServedModel, body: bytes, with_probabilities: bool) -> bytes:
        samples = model.samples.read(body)
        matrix, unknown = model.bundle.preparation.apply_to_samples(samples)
        probabilities = model.bundle.probabilities(matrix)
        ranks = probabilities.argmax(axis=1).tolist()
        self._metrics.predicted(model.bundle.contract.labels, ranks, unknown)
        return model.writer.write(ranks, unknown, probabilities.tolist() if with_probabilities else None)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Reads the body, and no more of it than the limit, whether its length was announced or not."""
        limit = self._max_body_bytes
        announced = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        body = b""
        more = True
        while more and announced <= limit and len(body) <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if announced > limit or len(body) > limit:
            raise HTTPException(413, f"The body is larger than {limit} bytes: send fewer samples at once.")
        return body
