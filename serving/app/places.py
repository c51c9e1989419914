"""Whose place a newcomer takes when as many connections are open as may be."""

from itertools import islice
from typing import Protocol

REST_SECONDS = 5
"""Who has rested for so long after an answer may lose its place."""
MOST_LOOKS = 100
"""So many are looked at for one that rests."""


class Held(Protocol):
    """A connection that has a place."""

    @property
    def resting_since(self) -> float | None:
        """When it had its last answer, by its loop's clock; None while it asks, and before it has asked."""


class Places:
    """The connections within the bound; for one thread. None but the first request of one takes time here."""

    def __init__(self) -> None:
        self._newcomers: dict[Held, None] = {}
        """Those that have never sent a whole request, the oldest first."""
        self._heard: dict[Held, None] = {}
        """The others, first who was not looked at for longest."""

    def take(self, connection: Held) -> None:
        """Notes a connection that is new."""
        self._newcomers[connection] = None

    def heard(self, connection: Held) -> None:
        """Notes that a connection has sent a whole request."""
        if connection in self._newcomers:
            del self._newcomers[connection]
            self._heard[connection] = None

    def leave(self, connection: Held) -> None:
        """Forgets a connection."""
        self._newcomers.pop(connection, None)
        self._heard.pop(connection, None)

    def least_needed(self, now: float) -> Held | None:
        """Returns the oldest that never asked, else one that rests for long; None where none was found."""
        if self._newcomers:
            return next(iter(self._newcomers))
        for each in list(islice(self._heard, MOST_LOOKS)):
            since = each.resting_since
            if since is not None and since <= now - REST_SECONDS:
                return each
            self._heard[each] = self._heard.pop(each)  # the next newcomer looks at others first
        return None
