"""Requests that have come together, answered by one call of the engine."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.model import ServedModel
from app.samples import UnknownFields

MOST_SAMPLES = 256
"""A call's cost is spread by then; it bounds the memory of the matrices."""


class Answer(NamedTuple):
    """What a request gets, and what is counted of it."""

    body: bytes
    ranks: list[int]
    """The place of each sample's label among the contract's."""
    unknown: dict[str, list[int]]
    """The samples, by position, with a category that is new to a feature, by its name."""
    unknown_fields: int
    """How many samples have a field that is not a feature."""


class MicroBatch:
    """The samples of some requests to one model, of which the first to ask has all of them computed.

    A call costs several times what one row more does, and the second row finds the model in the caches.
    """

    def __init__(self, model: ServedModel) -> None:
        """Makes an empty batch."""
        self.model = model
        self._samples: list[dict[str, Any]] = []
        self._computed = False
        self._ranks: list[int]
        self._unknown: dict[str, list[int]]
        self._probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, model: ServedModel, samples: Sequence[dict[str, Any]]) -> Self:
        """Makes a batch of one request."""
        batch = cls(model)
        batch.add(samples)
        return batch

    @property
    def full(self) -> bool:
        """Whether the next request has to go to another batch."""
        return len(self._samples) >= MOST_SAMPLES

    def add(self, samples: Sequence[dict[str, Any]]) -> int:
        """Takes a request's samples, before anything is computed; returns the place of the first one."""
        start = len(self._samples)
        self._samples += samples
        return start

    def answer(
        self, start: int, count: int, unknown_fields: UnknownFields, with_probabilities: bool
    ) -> Answer:
        """Returns the answer to the request whose `count` samples begin at `start`.

        Args:
            start: The place that `add` returned.
            count: How many samples the request has.
            unknown_fields: Their unknown fields.
            with_probabilities: Name each class's probability.
        """
        if not self._computed:
            self._compute()
        stop = start + count
        unknown = {}
        for feature, rows in self._unknown.items():
            if own := [row - start for row in rows if start <= row < stop]:
                unknown[feature] = own
        shares = self._probabilities[start:stop].tolist() if with_probabilities else None
        ranks = self._ranks[start:stop]
        body = self.model.writer.write(ranks, unknown, unknown_fields, shares)
        return Answer(body, ranks, unknown, len(unknown_fields))

    def _compute(self) -> None:
        matrix, self._unknown = self.model.bundle.preprocessing.apply_to_samples(self._samples)
        self._probabilities = self.model.bundle.probabilities(matrix)
        self._ranks = self._probabilities.argmax(axis=1).tolist()
        self._computed = True
