"""An empty list of values opens nothing: to a NetworkPolicy, an empty list of peers or ports means all."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.render import NAMES, ChartError, default_values, of_kind, render

INGRESS = {"enabled": True, "host": "ui.example.org"}
"""Rules that the defaults do not have."""


def lists(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of each list in some values, of those in other lists too."""
    if isinstance(value, list):
        yield path
        inner: list[tuple[Any, Any]] = list(enumerate(value))
    else:
        inner = list(value.items()) if isinstance(value, dict) else []
    for key, part in inner:
        yield from lists(part, (*path, key))


def emptied(values: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """The values with one list empty."""
    changed = copy.deepcopy(values)
    part: Any = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = []
    return changed


def values_of(chart: str) -> dict[str, Any]:
    """A chart's values with those that the umbrella gives it; of the umbrella, what is left without them."""
    umbrella = default_values("quintet")
    if chart == "quintet":
        return {key: value for key, value in umbrella.items() if key not in NAMES}
    return default_values(chart) | umbrella.get(chart, {})


LISTS = [(chart, path) for chart in NAMES for path in lists(values_of(chart))]


@pytest.mark.parametrize(("chart", "path"), LISTS, ids=[".".join(map(str, (c, *p))) for c, p in LISTS])
def test_no_empty_list_becomes_a_rule_that_allows_all(chart: str, path: tuple[str | int, ...]) -> None:
    values = values_of(chart)
    if chart not in ("quintet", "inference") and "ingress" in values:
        values["ingress"] |= INGRESS
    if chart == "inference":
        values["defaults"]["ingress"] |= INGRESS
    try:
        objects = render(chart, emptied(values, path))
    except ChartError as refusal:
        said = ("minItems", "minProperties", "gives a right on")
        assert any(words in str(refusal) for words in said)  # noqa: PT017 - either way is right
        return
    for policy in of_kind(objects, "NetworkPolicy"):
        for rule in [*(policy["spec"].get("ingress") or []), *(policy["spec"].get("egress") or [])]:
            assert rule, f"{policy['metadata']['name']} has a rule for all peers and ports"
            assert all(rule.values()), f"{policy['metadata']['name']} allows all: {rule}"


@pytest.mark.parametrize("rule", [{}, {"to": []}, {"ports": []}, {"to": [{}]}])
@pytest.mark.parametrize("chart", ["airflow", "inference", "mlflow"])
def test_a_rule_of_the_users_own_that_means_everything_is_refused(chart: str, rule: dict[str, Any]) -> None:
    with pytest.raises(ChartError, match="egress"):
        render(chart, {"egress": [rule]})
