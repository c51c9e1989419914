"""From the body of a request to the body of its answer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.champion import Champion
from app.client_keys import ClientKeys
from app.encoding import CLOSE, is_gzip, unpacked
from app.metrics import RequestCounts
from app.micro_batch import Answer, MicroBatch
from app.model import ServedModel
from app.queue import Queue
from app.settings import Settings

LARGE_BYTES = 4096
"""A larger body is computed in a thread, in whose time probes and small requests are answered."""


class Predictor:
    """Answers with the champion of the moment: small requests together, large ones in a thread beside.

    Raises:
        ValueError: The file of clients' keys cannot be used, with a sentence.
    """

    def __init__(self, settings: Settings, champion: Champion, counts: RequestCounts) -> None:
        self._champion, self._counts = champion, counts
        self._max_body_bytes = settings.max_body_bytes
        self._body_seconds = settings.body_seconds
        self._free_bytes = max(settings.max_held_bytes, settings.max_body_bytes)
        self._small = Queue(settings.max_waiting_requests, "requests")
        self._large = Queue(settings.max_waiting_batches, "large requests")
        self._thread = ThreadPoolExecutor(1, "large-requests")
        self._batch: MicroBatch | None = None
        self._keys = ClientKeys(settings.client_keys_file) if settings.client_keys_file else None

    async def answer(
        self, scope: Scope, receive: Receive, with_probabilities: bool, strict: bool = False
    ) -> bytes:
        """Returns the answer to a request, as JSON.

        Args:
            scope: The request's, of ASGI.
            receive: returns its body.
            with_probabilities: Name each class's probability.
            strict: Refuse a sample's unknown fields.

        Raises:
            ClientDisconnect: The client is gone before its body was whole.
            HTTPException: 400, 401, 408, 413, 415, 429 or 503, with a sentence.
            RequestValidationError: 422, with the samples and fields at fault.
        """
        if self._keys is not None:
            self._keys.admit(scope["headers"])
        model = self._champion.model
        if model is None:
            raise HTTPException(
                503, "There is no model to answer with yet: see /metadata.", {"Retry-After": "5"}
            )
        held, packed = self._admit(scope)
        try:
            return await self._admitted(model, receive, packed, with_probabilities, strict)
        finally:
            self._free_bytes += held

    async def _admitted(
        self, model: ServedModel, receive: Receive, packed: bool, with_probabilities: bool, strict: bool
    ) -> bytes:
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await self._read(receive)
        except TimeoutError:
            raise HTTPException(
                408, f"The body did not come within {self._body_seconds:g} seconds.", CLOSE
            ) from None
        large = len(body) > LARGE_BYTES or model.series is not None  # stored items may have to be fetched
        if packed and not large:
            content = unpacked(body, LARGE_BYTES)
            if content is None:
                large = True
            else:
                body, packed = content, False
        queue = self._large if large else self._small
        queue.enter()
        try:
            if large:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(
                    self._thread, self._compute, model, body, packed, with_probabilities, strict
                )
            else:
                answer = await self._compute_together(model, body, with_probabilities, strict)
        finally:
            queue.leave()
        self._counts.predicted(
            model.bundle.contract.labels, answer.ranks, answer.unknown, answer.unknown_fields
        )
        return answer.body

    def _compute(
        self, model: ServedModel, body: bytes, packed: bool, with_probabilities: bool, strict: bool
    ) -> Answer:
        """Computes a large request, in the thread: one packed body at a time takes memory unpacked."""
        if packed:
            content = unpacked(body, self._max_body_bytes)
            if content is None:
                raise HTTPException(413, self._too_large())
            body = content
        if model.series is not None:
            answer, rank = model.series.answer(body)
            return Answer(answer, [rank], {}, 0)
        samples, unknown_fields = model.samples.read(body, strict)
        return MicroBatch.of(model, samples).answer(0, len(samples), unknown_fields, with_probabilities)

    async def _compute_together(
        self, model: ServedModel, body: bytes, with_probabilities: bool, strict: bool
    ) -> Answer:
        """Computes a small request with the others that have come by now."""
        samples, unknown_fields = model.samples.read(body, strict)
        batch = self._batch
        if batch is None or batch.model is not model or batch.full:
            batch = self._batch = MicroBatch(model)
        start = batch.add(samples)
        # All that have come take their places, in the queue too, before the first of them goes on.
        await asyncio.sleep(0)
        if self._batch is batch:
            self._batch = None
        return batch.answer(start, len(samples), unknown_fields, with_probabilities)

    def _admit(self, scope: Scope) -> tuple[int, bool]:
        """Decides by what a head announces, before anything is read.

        A small body holds none: it is bounded by its size. One of no announced length may be of the limit's.

        Returns:
            The bytes that the body may hold, and whether it is packed.
        """
        limit = length = self._max_body_bytes
        packed = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = int(value)
            elif name == b"content-encoding":
                packed = packed or is_gzip(value)
        if length > limit:
            raise HTTPException(413, self._too_large(), CLOSE)
        held = length if length > LARGE_BYTES else 0
        if held > self._free_bytes:
            raise HTTPException(
                429,
                "Too many large bodies are under way: try again in a second.",
                {"Retry-After": "1", **CLOSE},
            )
        self._free_bytes -= held
        return held, packed

    async def _read(self, receive: Receive) -> bytes:
        """Reads the body, and no more of it than the limit, whether its length was announced or not."""
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                raise HTTPException(413, self._too_large(), CLOSE)
            more = message.get("more_body", False)
        return bytes(body)

    def _too_large(self) -> str:
        return f"The body is larger than {self._max_body_bytes} bytes: send fewer samples at once."
