"""How many requests may wait to be computed at once."""

from fastapi import HTTPException


class Queue:
    """A bounded number of requests; one more is sent away at once, since it would only wait in vain.

    Whoever enters has to leave. For one thread.
    """

    def __init__(self, limit: int, requests: str) -> None:
        """Makes an empty queue.

        Args:
            limit: The most that may wait or compute.
            requests: What the refusal calls them.
        """
        self._free = limit
        self._requests = requests

    def enter(self) -> None:
        """Takes a place.

        Raises:
            HTTPException: 429, when all are taken.
        """
        if self._free == 0:
            raise HTTPException(
                429, f"Too many {self._requests} are waiting: try again in a second.", {"Retry-After": "1"}
            )
        self._free -= 1

    def leave(self) -> None:
        """Frees a place."""
        self._free += 1
