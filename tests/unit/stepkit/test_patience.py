"""How long a client waits: exponential waits with full jitter, and what a server may ask for."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import Future, RetryCallState, Retrying

from stepkit.patience import Patience, Unfinished
from stepkit.rate_limits import retry_after

FIRST, LONGEST = 0.5, 6.0
DRAWS = 400


def after(attempt: int, asked: float | None = None) -> RetryCallState:
    """The state after an attempt that failed."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.outcome = Future.construct(attempt, Unfinished("failed", asked), has_exception=True)
    return state


@pytest.mark.parametrize(("attempt", "bound"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 6.0), (60, 6.0)])
def test_waits_are_spread_from_nothing_to_a_bound_that_doubles(attempt: int, bound: float) -> None:
    patience = Patience(100, FIRST, LONGEST, 600.0)
    waits = sorted(patience.wait(after(attempt)) for _ in range(DRAWS))
    # Of 400 even draws, the chance that none is in a tenth is 5e-19.
    assert 0 <= waits[0] < bound / 10
    assert 0.9 * bound < waits[-1] <= bound


def test_what_a_server_asks_for_is_waited_while_it_sums_up_to_the_most() -> None:
    patience = Patience(100, FIRST, LONGEST, 10.0)
    assert patience.wait(after(1, 7.5)) == 7.5
    assert [patience.stop(after(1, asked)) for asked in (7.0, 3.0)] == [False, False]
    assert not patience.asked_too_much
    assert patience.stop(after(3, 0.1))
    assert patience.asked_too_much


def test_what_no_server_asked_for_takes_nothing_of_the_most() -> None:
    patience = Patience(100, FIRST, LONGEST, 1.0)
    assert patience.asked_too_much is False
    assert [patience.stop(after(1)) for _ in range(3)] == [False] * 3
    assert patience.stop(after(1, 1.0)) is False
    assert patience.left == 0.0


def test_only_an_attempt_that_a_server_answered_asks_for_a_wait() -> None:
    patience = Patience(100, FIRST, LONGEST, 10.0)
    before = RetryCallState(Retrying(), None, (), {})
    other = after(1)
    other.outcome = Future.construct(1, ValueError("of another kind"), has_exception=True)
    assert all(0 <= patience.wait(state) <= FIRST for state in (before, other))


def test_the_last_attempt_is_the_one_that_was_given() -> None:
    patience = Patience(3, FIRST, LONGEST, 10.0)
    assert [patience.stop(after(attempt)) for attempt in (1, 2, 3)] == [False, False, True]
    assert not patience.asked_too_much


@given(st.text() | st.integers().map(str) | st.none())
def test_any_header_is_a_wait_or_says_nothing(header: str | None) -> None:
    wait = retry_after(header)
    assert wait is None or (wait >= 0 and not math.isnan(wait))


@given(st.integers(2, 10**6))
def test_a_date_is_as_far_as_it_is_from_now_and_a_past_one_is_no_wait(seconds: int) -> None:
    now = datetime.now(UTC)
    wait = retry_after(format_datetime(now + timedelta(seconds=seconds)))
    assert wait == pytest.approx(seconds, abs=30)
    assert retry_after(format_datetime(now - timedelta(seconds=seconds))) == 0


@pytest.fixture
def bogota(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of this process, five hours from UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/Bogota")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("bogota")
@pytest.mark.parametrize("zone", [" -0000", "", " GMT", " +0000"])
def test_a_date_without_a_zone_is_in_utc(zone: str) -> None:
    header = (datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S") + zone
    assert retry_after(header) == pytest.approx(3600, abs=30)
    assert retry_after(f"\t{header} ") == pytest.approx(3600, abs=30)
