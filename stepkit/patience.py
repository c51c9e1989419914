"""How long a client waits before it asks again, and when it gives up: tenacity's waits and stops."""

from __future__ import annotations

from tenacity import RetryCallState, stop_after_attempt, wait_random_exponential


class Unfinished(Exception):
    """An attempt that may go better next time.

    Args:
        reason: what happened, as the end of a sentence whose subject is the URL.
        wait: seconds that the server asks to wait, if it does.
        limited: whether the server refuses because it was asked too often.
    """

    def __init__(self, reason: str, wait: float | None = None, limited: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.limited = limited


class Patience:
    """The waits and the stop of one request.

    Waits grow exponentially with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), the
    first below `first_wait` and each below `longest_wait`, unless the server sets one. Where it was asked too
    often and sets none, they are at least `least_limited_wait`: to go on asking is what it forbids.

    Args:
        attempts: how many there are.
        first_wait: seconds.
        longest_wait: seconds.
        longest_asked_wait: seconds that all waits a server asks for may come to.
        least_limited_wait: seconds.
    """

    def __init__(
        self,
        attempts: int,
        first_wait: float,
        longest_wait: float,
        longest_asked_wait: float,
        least_limited_wait: float = 0.0,
    ) -> None:
        self._least_limited_wait = least_limited_wait
        self.left = longest_asked_wait
        self.asked_too_much = False
        self._own_wait = wait_random_exponential(first_wait, longest_wait)
        self._enough = stop_after_attempt(attempts)

    def wait(self, state: RetryCallState) -> float:
        """Returns the seconds to wait after an attempt."""
        failure = _failure(state)
        if failure is not None and failure.wait is not None:
            return failure.wait
        least = self._least_limited_wait if failure is not None and failure.limited else 0.0
        return max(float(self._own_wait(state)), least)

    def stop(self, state: RetryCallState) -> bool:
        """Returns whether an attempt was the last one; called once for each."""
        failure = _failure(state)
        asked = (failure.wait if failure else None) or 0.0
        if asked > self.left:
            self.asked_too_much = True
            return True
        self.left -= asked
        return bool(self._enough(state))


def _failure(state: RetryCallState) -> Unfinished | None:
    failure = state.outcome.exception() if state.outcome else None
    return failure if isinstance(failure, Unfinished) else None
