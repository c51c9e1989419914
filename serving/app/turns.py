"""How many large predictions may wait or compute at once."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, HTTPException, Request


class Turns:
    """As many compute at once as there are processors; a bounded number waits; the rest is sent away."""

    def __init__(self, limit: int) -> None:
        """Makes a queue.

        Args:
            limit: The most that may wait or compute.
        """
        self._free = limit
        self._computing = asyncio.Semaphore(os.cpu_count() or 1)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until it is the caller's turn.

        Raises:
            HTTPException: 429, when too many wait already.
        """
        if self._free == 0:
            raise HTTPException(
                429, "Too many large requests are waiting: try again in a second.", {"Retry-After": "1"}
            )
        self._free -= 1
        try:
            async with self._computing:
                yield
        finally:
            self._free += 1


def _turns(request: Request) -> Turns:
    return request.app.state.turns  # type: ignore[no-any-return]


TurnsDep = Annotated[Turns, Depends(_turns)]
