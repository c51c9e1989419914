"""A champion is judged only on rows that it was not fitted on; where that is not sure, it is not judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle import Split
from stepkit.promotion.comparison import Comparison, Thresholds, decide
from stepkit.promotion.leakage import FEWEST_ROWS, NotComparable, unseen
from stepkit.promotion.policy import TestRows

KEY = Split("key", ("id",), 0.2)
NEWEST = Split("time", ("open_time",), 0.2, judged_after=1_000)
THRESHOLDS = Thresholds(min_metric=0.5, min_gain=0.01)
LENIENT = replace(THRESHOLDS, incomparable="min-metric")


def rows(*moments: int, count: int = 3) -> TestRows:
    labels = np.zeros(len(moments) or count, dtype=np.int64)
    return TestRows({}, labels, "parameters", np.array(moments) if moments else None)


def test_equal_keys_are_compared_on_all_rows() -> None:
    assert unseen(rows(), KEY, Split("key", ("id",), 0.2)).tolist() == [True] * 3


@pytest.mark.parametrize(
    ("champion", "sentence"),
    [
        (Split("key", ("id", "year"), 0.2), "its split has the key id, year, the challenger's id"),
        (Split("key", ("id",), 0.3), "its split has the test_share 0.3, the challenger's 0.2"),
        (Split("key", ("id",), 0.2, salt="b"), "its split has the salt 'b', the challenger's ''"),
        (NEWEST, "its split has the kind 'time', the challenger's 'key'"),
        (None, "the champion's bundle does not say how its rows were split"),
    ],
)
def test_another_split_is_not_compared(champion: Split | None, sentence: str) -> None:
    with pytest.raises(NotComparable) as refused:
        unseen(rows(), KEY, champion)
    assert str(refused.value) == sentence


def test_a_challenger_that_does_not_say_is_not_compared_with_a_champion_that_does() -> None:
    with pytest.raises(NotComparable, match="the challenger's bundle does not say"):
        unseen(rows(), None, KEY)


def test_where_neither_says_all_rows_are_compared() -> None:
    assert unseen(rows(), None, None).all()


def test_splits_by_time_are_compared_on_the_rows_after_the_champions_training() -> None:
    moments = [1_000, *range(1_001, 1_001 + FEWEST_ROWS)]
    shares = replace(NEWEST, test_share=0.5, judged_after=500)
    assert unseen(rows(*moments), shares, NEWEST).tolist() == [False] + [True] * FEWEST_ROWS


def test_too_few_rows_after_the_champions_training_are_not_compared() -> None:
    moments = [999, 1_000, *range(1_001, 1_000 + FEWEST_ROWS)]
    with pytest.raises(NotComparable) as refused:
        unseen(rows(*moments), NEWEST, NEWEST)
    assert str(refused.value) == (
        "it was trained up to 1970-01-01T00:00:01+00:00, after which come 99 of the 101 test rows;"
        " 100 are needed"
    )


def test_few_rows_that_are_all_after_the_champions_training_are_compared() -> None:
    assert unseen(rows(1_001, 1_002), NEWEST, NEWEST).all()


def test_rows_without_a_time_are_not_compared_by_time() -> None:
    with pytest.raises(NotComparable, match="the times of the test rows are not known"):
        unseen(rows(), NEWEST, NEWEST)


def test_a_champion_that_is_not_comparable_is_a_refusal_that_names_the_way_out() -> None:
    assert decide("roc_auc", 0.9, None, THRESHOLDS, difference="its key differs") == (
        "refuse",
        "the champion is not comparable: its key differs; to let min_metric decide instead, set"
        " --incomparable=min-metric (INCOMPARABLE)",
    )


@pytest.mark.parametrize(
    ("figure", "verdict", "end"),
    [
        (0.5, "promote", "roc_auc 0.5000 suffices for its successor"),
        (0.4, "refuse", "roc_auc 0.4000 is below 0.5, which its successor needs"),
    ],
)
def test_min_metric_may_decide_instead(figure: float, verdict: str, end: str) -> None:
    found = decide("roc_auc", figure, None, LENIENT, difference="its key differs")
    assert found == (verdict, f"the champion is not comparable (its key differs), and {end}")


def test_an_objection_stands_before_a_champion_that_is_not_comparable() -> None:
    found = decide("roc_auc", 0.9, None, LENIENT, difference="its key differs", objection="it is not good")
    assert found == ("refuse", "it is not good")


def test_a_reason_says_on_which_rows_the_two_were_compared() -> None:
    _, reason = decide("roc_auc", 0.9, Comparison(0.1, 0.1, 0.1), THRESHOLDS, rows="the 7 of 9 newest")
    assert reason.startswith("the gain in roc_auc on the 7 of 9 newest is +0.1000")
