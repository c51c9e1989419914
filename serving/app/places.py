"""Whose place a newcomer takes when as many connections are open as may be."""

from itertools import islice
from typing import Protocol

REST_SECONDS = 5
"""Who has rested for so long after an answer may lose its place."""
MOST_LOOKS = 20
"""So many are looked at for one that rests, where others ask again."""


class Held(Protocol):
    """A connection that has a place."""

    @property
    def rests(self) -> bool:
        """Whether it has had all its answers, and asks for none."""


class Places:
    """The connections within the bound, by how long they have had nothing to answer; for one thread."""

    def __init__(self) -> None:
        self._newcomers: dict[Held, None] = {}
        """Those that have never sent a whole request, the oldest first."""
        self._answered: dict[Held, float] = {}
        """When each that has had an answer had its last one, the earliest first."""

    def take(self, connection: Held) -> None:
        """Notes a connection that is new."""
        self._newcomers[connection] = None

    def heard(self, connection: Held) -> None:
        """Notes that a connection has sent a whole request."""
        self._newcomers.pop(connection, None)

    def answered(self, connection: Held, now: float) -> None:
        """Notes that a connection has had an answer."""
        self._answered.pop(connection, None)
        self._answered[connection] = now

    def leave(self, connection: Held) -> None:
        """Forgets a connection."""
        self._newcomers.pop(connection, None)
        self._answered.pop(connection, None)

    def least_needed(self, now: float) -> Held | None:
        """Returns the oldest that never asked, else the one that has rested longest; None where all ask."""
        return next(iter(self._newcomers), None) or self._longest_resting(now - REST_SECONDS)

    def _longest_resting(self, latest: float) -> Held | None:
        for each, answered_at in list(islice(self._answered.items(), MOST_LOOKS)):
            if answered_at > latest:
                return None
            if each.rests:
                return each
            self._answered[each] = self._answered.pop(each)  # the next newcomer looks at others first
        return None
