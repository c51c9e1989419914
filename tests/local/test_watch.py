"""A step that runs again after each save of its code, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.local.conftest import Local, copy_checkout
from tests.local.test_step import SECONDS, command, environment, step
from tests.watched import FAILED, WAITS, Watched, replace, watched


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy_checkout(tmp_path)
    return tmp_path


@pytest.fixture
def load(checkout: Path) -> Path:
    return checkout / "pipelines/forest/load.py"


@pytest.fixture
def loading(platform: Local, captured: list[Any], checkout: Path) -> Iterator[Watched]:
    """`quintet step --watch forest load`, on what a run has captured."""
    words = command(platform, "--watch", "--like", captured[0]["dag_run_id"], "forest", "load")
    with watched(words, environment(checkout), checkout) as started:
        yield started


def test_a_step_runs_again_after_each_save(loading: Watched, checkout: Path, load: Path) -> None:
    first = loading.until(WAITS)
    # A run of its own, on the input of the other: a retry of that one would have found its work done.
    assert "a former try has loaded this run" not in first
    assert "forest-load ended with exit code 99" in first

    (checkout / "pipelines/forest/train.py").write_text("")  # which the step does not import
    replace(load, "%d rows read, %d new", "%d rows looked at, %d new")
    second = loading.until(WAITS)
    assert second.startswith("▸ forest-load: again, as pipelines/forest/load.py was saved\n")
    assert " rows looked at, 0 new" in second

    replace(load, "def merge(", "def merge(:")
    assert "pipelines/forest/load.py:" in (broken := loading.until(FAILED))
    assert "this is not Python." in broken
    load.rename(checkout / "away.py")
    assert "The step load needs " in loading.until(FAILED)
    replace(checkout / "away.py", "def merge(:", "def merge(")
    (checkout / "away.py").rename(load)
    assert " rows looked at, 0 new" in loading.until(WAITS)


def test_a_save_stops_the_run_before_and_ctrl_c_ends_all(loading: Watched, load: Path) -> None:
    loading.until(WAITS)
    waiting = '    _logger.warning("here"); __import__("threading").Event().wait()\n'
    line = "    if (raw_uri is None) == (file is None):\n"
    replace(load, line, f"{waiting}{line}")
    loading.until('"message": "here"')
    (former,) = psutil.Process(loading.process.pid).children()
    replace(load, 'warning("here")', 'warning("there")')
    loading.until('"message": "there"')
    (now,) = psutil.Process(loading.process.pid).children()
    assert now.pid != former.pid
    assert not former.is_running()
    assert loading.interrupt(SECONDS) == 130
    assert not now.is_running()


def test_a_run_that_there_is_not_is_named_at_once(platform: Local) -> None:
    done = step(platform, "--watch", "--like", "no-such-run", "forest", "load")
    assert done.returncode == 1
    assert "Run no-such-run has no task that ran forest.load" in done.stderr
