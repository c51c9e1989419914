"""Until when a server asks to be left alone: by `Retry-After`, by its limit's headers, or in its text."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

_RESETS = ("RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset", "X-RateLimit-Reset-After")
"""The first is in seconds by its draft; the others have been seen as seconds, as moments and as dates."""
_RESET_ENTRY = re.compile(r"\b(?:t|reset)\s*=\s*([0-9]+)")
"""Of `RateLimit`, the later draft's one header: `"default";r=0;t=30`, once `remaining=0, reset=30`."""
_UNTIL = re.compile(rb"(?i)\buntil\s+([0-9]{10}|[0-9]{13})\b")
"""A moment since 1970, in seconds or milliseconds: "IP banned until 1620286253180"."""
_FIRST_MOMENT = 1e9
"""Seconds since 1970 above which a number is a moment; below it is a time to wait."""
_FIRST_IN_MILLISECONDS = 1e11
_MARGIN = 1.0
"""Seconds that are waited beyond a moment that a server tells by its own clock."""


def retry_after(header: str | None) -> float | None:
    """Returns the seconds a `Retry-After` header asks for (RFC 9110, 10.2.3); None when it says nothing."""
    text = (header or "").strip()
    if re.fullmatch("[0-9]+", text):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        # The parser takes invalid digits and years, and lets the errors of what it calls pass.
        return None


def seconds_to_wait(headers: Mapping[str, str], body: Callable[[], bytes]) -> float | None:
    """Returns the seconds for which a server that was asked too often wants no request; None if it says none.

    Args:
        headers: of its answer.
        body: reads the beginning of the answer; called where the headers do not say.
    """
    wait = retry_after(headers.get("Retry-After"))
    if wait is not None:
        return wait
    if found := _RESET_ENTRY.search(headers.get("RateLimit") or ""):
        return float(found[1]) or None
    for name in _RESETS:
        if (wait := _reset(headers.get(name))) is not None:
            return wait
    until = _UNTIL.search(body())
    return _from_now(float(until[1])) if until else None


def _reset(header: str | None) -> float | None:
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,9})?", text):
        number = float(text)
        return (number or None) if number < _FIRST_MOMENT else _from_now(number)
    return None if text.isdecimal() else retry_after(text) or None


def _from_now(moment: float) -> float | None:
    """Returns the seconds until a moment; None where it has passed: by whose clock it has not is unknown."""
    seconds = moment / 1000 if moment >= _FIRST_IN_MILLISECONDS else moment
    left = seconds - time.time()
    return left + _MARGIN if left > 0 else None
