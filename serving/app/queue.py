"""How many requests may wait to be computed at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException


class Queue:
    """A bounded number of requests; one more is sent away at once, since it would only wait in vain."""

    def __init__(self, limit: int, requests: str) -> None:
        """Makes an empty queue.

        Args:
            limit: The most that may wait or compute.
            requests: What the refusal calls them.
        """
        self._free = limit
        self._requests = requests

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place while the block runs.

        Raises:
            HTTPException: 429, when all are taken.
        """
        if self._free == 0:
            raise HTTPException(
                429, f"Too many {self._requests} are waiting: try again in a second.", {"Retry-After": "1"}
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
