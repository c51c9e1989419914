"""`quintet why` names failures that were made on purpose, each with its facts, within seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from quintet.kind.cluster import Platform
from quintet.ops import why
from quintet.ops.kube import Kube
from tests.e2e import failures

SECONDS = 30
"""In which a cause must be named, on a machine that has much else to do: `bench/why.py` measures it."""
FACTS = {
    "image_missing": ["no-such-tag"],
    "step_without_image": ["forest-harvest"],
    "oom_kill": ["64Mi"],
    "unschedulable": ["Insufficient memory"],
    "missing_secret": ["no-such-secret"],
    "start_timeout": ["no-such-config-map"],
    "fields_changed": ["s3://data/forest/why/raw/", "row 2", "Elevation", "'high'"],
    "disk_limit": ["ephemeral"],
    "code_exception": ["KeyError: 'rows'"],
}


@pytest.fixture(scope="module")
def runs(kube: Kube, platform: Platform) -> Iterator[dict[str, str]]:
    """Runs that have failed side by side, by the names of their failures."""
    with failures.failing_dags(kube) as started:
        yield started


@pytest.mark.parametrize("name", failures.FAILURES)
def test_cause_is_named(
    name: str, runs: dict[str, str], kube: Kube, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    why.main(kube, [f"why_{name}", runs[name]])
    seconds = time.monotonic() - began
    said = capsys.readouterr().out
    assert f"{failures.FAILURES[name]}. " in said
    assert [fact for fact in FACTS.get(name, []) if fact not in said] == []
    assert seconds < SECONDS
