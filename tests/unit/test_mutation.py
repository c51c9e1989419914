"""What `make mutants` says of a sample of the mutants."""

from __future__ import annotations

import pytest

from tests import mutation

ALL = [f"stepkit.{module}.x_f__mutmut_{number}" for module in ("a", "b") for number in range(50)]


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    first = mutation.sampled(ALL, 20, seed=1)
    assert len(set(first)) == 20
    assert set(first) < set(ALL)
    assert mutation.sampled(ALL[::-1], 20, seed=1) == first
    assert mutation.sampled(ALL, 20, seed=2) != first


def test_a_sample_larger_than_all_is_all() -> None:
    assert sorted(mutation.sampled(ALL, 101, seed=1)) == sorted(ALL)


@pytest.mark.parametrize(
    ("names", "left"), [([], ALL), (["stepkit.a"], ALL[:50]), ([ALL[3], "stepkit.b"], [ALL[3], *ALL[50:]])]
)
def test_results_are_those_of_what_is_named(names: list[str], left: list[str]) -> None:
    assert list(mutation.of(dict.fromkeys(ALL, "killed"), names)) == left


def test_a_sample_is_reported_with_its_interval() -> None:
    results = dict.fromkeys(ALL, "killed") | dict.fromkeys(ALL[:4], "timeout") | {ALL[5]: "no tests"}
    results |= dict.fromkeys(ALL[10:19], "survived") | {"stepkit.c.x_f__mutmut_1": "not checked"}
    # Of 90 in 100: the example of many a textbook.
    assert mutation.interval(results, 7526) == (
        "a sample of 100 of 7526: 90.0% killed, of all 82.6% to 94.5% (95 %)"
    )


def test_a_sample_of_which_none_was_tried_says_so() -> None:
    assert mutation.interval({ALL[0]: "not checked"}, 100) == "none of a sample of 1 was tried"
