"""Which pipeline `up` starts, `demo` shows and a new cluster runs first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quintet import pipelines as module
from quintet.pipelines import Pipeline, models, showcase

LEARNS: dict[str, Any] = {"dags": {"take_in": {}, "learn": {"after": ["take_in"]}}, "model": {"name": "m"}}
OURS = {"source": {"server": {"service": "api", "program": "api"}}}
OUTSIDE = {"source": {"url": "https://example.com", "server": {"service": "sim", "program": "sim"}}}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has a checkout of these pipelines."""

    def have(**entries: dict[str, Any]) -> None:
        known = {name: Pipeline(Path(name), entry) for name, entry in entries.items()}
        monkeypatch.setattr(module, "pipelines", lambda: known)

    return have


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ({"b": LEARNS, "a": LEARNS}, "a"),
        ({"a": LEARNS | OUTSIDE, "b": LEARNS | OURS}, "b"),
        ({"a": {**LEARNS, "dags": {"learn": {}}}, "b": LEARNS}, "b"),
        ({"a": {"dags": LEARNS["dags"]}, "b": LEARNS}, "b"),
    ],
    ids=["the name decides", "a source of our own comes first", "it learns", "it has a model"],
)
def test_the_pipeline_that_shows_the_platform(given: Any, entries: dict[str, Any], name: str) -> None:
    given(**entries)
    found = showcase()
    assert found is not None
    assert (found.name, found.training) == (name, ("take_in", "learn"))


def test_a_checkout_may_have_none(given: Any) -> None:
    given(a={"dags": {"take_in": {}}})
    assert showcase() is None


def test_the_model_of_the_showcase_comes_before_the_others(given: Any) -> None:
    first, second = ({**LEARNS, "model": {"name": name}} for name in ("wind", "rain"))
    given(a=first | OUTSIDE, b={"dags": {"learn": {}}, "model": {"name": "hail"}}, c=second | OURS)
    assert models() == ["rain", "hail", "wind"]
    among = [pipeline for pipeline in module.pipelines().values() if pipeline.name != "c"]
    assert models(among) == ["wind", "hail"]
    assert models([]) == []
