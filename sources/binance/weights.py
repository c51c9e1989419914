"""How much an address may ask in a minute, and what becomes of one that does not stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60
_FIRST_BAN = 120.0
_LONGEST_BAN = 3 * 24 * 3600.0


@dataclass
class _Address:
    minute: int = -1
    used: int = 0
    refused: int = 0
    bans: int = 0
    banned_until: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What to do with a request."""

    used: int
    """Weight that its address has used in this minute."""
    status: int
    """200: answer it; 429: too much; 418: banned."""
    wait: float = 0.0
    """Seconds after which the address may come again."""


class Weights:
    """The weights that addresses have used, counted by minutes of real time.

    Who goes on after 429 is banned: two minutes first, each further ban is twice as long, up to three days.

    Args:
        limit: weight that an address may use in a minute.
        until_ban: so many refusals in a minute are a ban.
        seconds: time that passes, in seconds.
    """

    def __init__(self, limit: int, until_ban: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._until_ban = until_ban
        self._seconds = seconds
        self._addresses: dict[str, _Address] = {}

    def ask(self, address: str, weight: int) -> Verdict:
        """Counts a request and says whether it may be answered."""
        now = self._seconds()
        known = self._addresses.setdefault(address, _Address())
        if now < known.banned_until:
            return Verdict(known.used, 418, known.banned_until - now)
        minute = int(now // MINUTE)
        if known.minute != minute:
            known.minute, known.used, known.refused = minute, 0, 0
        known.used += weight
        if known.used <= self._limit:
            return Verdict(known.used, 200)
        known.refused += 1
        if known.refused < self._until_ban:
            return Verdict(known.used, 429, (minute + 1) * MINUTE - now)
        ban = min(_LONGEST_BAN, _FIRST_BAN * 2**known.bans)
        known.bans += 1
        known.banned_until = now + ban
        return Verdict(known.used, 418, ban)
