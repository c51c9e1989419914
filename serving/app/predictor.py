"""From the body of a request to the body of its answer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from fastapi import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.champion import Champion
from app.metrics import RequestCounts
from app.model import ServedModel
from app.queue import Queue
from app.settings import Settings

LARGE_BYTES = 4096
"""A larger body is computed in a thread, in whose time probes and small requests are answered."""


class Predictor:
    """Answers with the champion of the moment: small requests in turn, large ones in a thread beside them."""

    def __init__(self, settings: Settings, champion: Champion, counts: RequestCounts) -> None:
        self._champion, self._counts = champion, counts
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
        large = len(body) > LARGE_BYTES or model.bars is not None  # stored bars may have to be fetched
        queue = self._large if large else self._small
        queue.enter()
        try:
            if large:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._thread, _compute, model, body, with_probabilities)
            else:
                # All requests that have come by now take their places before the first of them is computed.
                await asyncio.sleep(0)
                answer = _compute(model, body, with_probabilities)
        finally:
            queue.leave()
        self._counts.predicted(model.bundle.contract.labels, answer.ranks, answer.unknown)
        return answer.body

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Reads the body, and no more of it than the limit, whether its length was announced or not."""
        limit = self._max_body_bytes
        announced = 0
        for name, value in scope["headers"]:
            if name == b"content-length":
                announced = int(value)
                break
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


class _Answer(NamedTuple):
    body: bytes
    ranks: list[int]
    """The place of each sample's label among the contract's."""
    unknown: dict[str, list[int]]
    """The samples with a category that is new to a feature, by its name."""


def _compute(model: ServedModel, body: bytes, with_probabilities: bool) -> _Answer:
    if model.bars is not None:
        answer, rank = model.bars.answer(body)
        return _Answer(answer, [rank], {})
    samples = model.samples.read(body)
    matrix, unknown = model.bundle.preparation.apply_to_samples(samples)
    probabilities = model.bundle.probabilities(matrix)
    ranks = probabilities.argmax(axis=1).tolist()
    shares = probabilities.tolist() if with_probabilities else None
    return _Answer(model.writer.write(ranks, unknown, shares), ranks, unknown)
