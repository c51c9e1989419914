"""How long a client waits before it asks again, and when it gives up: tenacity's waits and stops."""

from __future__ import annotations

import email.utils
import re
from datetime import UTC, datetime

from tenacity import RetryCallState, stop_after_attempt, wait_random_exponential


class Unfinished(Exception):
    """An attempt that may go better next time.

    Args:
        reason: what happened, as the end of a sentence whose subject is the URL.
        wait: seconds that the server asks to wait, if it does.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Patience:
    """The waits and the stop of one request.

    Waits grow exponentially with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), the
    first below `first_wait` and each below `longest_wait`, unless the server sets one.

    Args:
        attempts: how many there are.
        first_wait: seconds.
        longest_wait: seconds.
        longest_asked_wait: seconds that all waits a server asks for may come to.
    """

    def __init__(
        self, attempts: int, first_wait: float, longest_wait: float, longest_asked_wait: float
    ) -> None:
        self.left = longest_asked_wait
        self.asked_too_much = False
        self._own_wait = wait_random_exponential(first_wait, longest_wait)
        self._enough = stop_after_attempt(attempts)

    def wait(self, state: RetryCallState) -> float:
        """Gives the seconds to wait after an attempt."""
        asked = _asked(state)
        return float(self._own_wait(state)) if asked is None else asked

    def stop(self, state: RetryCallState) -> bool:
        """Says whether an attempt was the last one; called once for each."""
        asked = _asked(state) or 0.0
        if asked > self.left:
            self.asked_too_much = True
            return True
        self.left -= asked
        return bool(self._enough(state))


def _asked(state: RetryCallState) -> float | None:
    failure = state.outcome.exception() if state.outcome else None
    return failure.wait if isinstance(failure, Unfinished) else None


def retry_after(header: str | None) -> float | None:
    """Gives the seconds a `Retry-After` header asks for (RFC 9110, 10.2.3); None when it says nothing."""
    text = (header or "").strip()
    if re.fullmatch("[0-9]+", text):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        # The parser takes digits and years that are none, and lets the errors of what it calls pass.
        return None
