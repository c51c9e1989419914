"""One step in a terminal: as its task ran it, and with a debugger in the middle of it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import Local, copy_checkout
from tests.places import REPOSITORY
from tests.scripted_http import response, serving

ROOTS = (".", "pipelines", "sources", "serving", "cli")
SECONDS = 120


def command(platform: Local, *words: str) -> list[str]:
    return [sys.executable, "-m", "quintet", "--state", str(platform.platform.state.folder), "step", *words]


def environment(repository: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(repository / root) for root in ROOTS)}


def step(platform: Local, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(platform, *words),
        env=environment(REPOSITORY) | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def test_a_step_lists_its_options(platform: Local) -> None:
    done = step(platform, "forest", "load", "--help")
    assert done.returncode == 0, done.stderr
    assert "--raw-uri" in done.stdout


def test_a_step_runs_like_a_task_of_an_earlier_run(platform: Local, captured: list[Any]) -> None:
    load = next(task for task in captured if task["task_id"] == "load")
    done = step(platform, "--like", load["dag_run_id"], "forest", "load")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == load["result"]
    assert "a former try has loaded this run" in done.stderr


def test_a_source_outside_is_asked_through_the_proxy_of_the_terminal(platform: Local) -> None:
    with serving(response(400, '{"detail": "no"}')) as proxy:
        source = "--source-url=http://source.example"
        done = step(platform, "forest", "extract", source, HTTP_PROXY=proxy.url)
    assert done.returncode == 2, done.stderr
    assert proxy.requests[0].startswith("http://source.example/data?group_number=")


def test_options_of_ones_own_win(platform: Local, captured: list[Any]) -> None:
    done = step(platform, "--like", captured[0]["dag_run_id"], "forest", "load", "--table=no.table")
    assert done.returncode == 2
    assert "--table" in done.stderr


def test_a_steps_exit_code_is_the_commands(platform: Local) -> None:
    done = step(platform, "forest", "load")
    assert done.returncode == 2
    assert "--table (TABLE) is required" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["weather", "load"], "There is no pipeline weather; there are "),
        (["forest", "lod"], "Pipeline forest has no step lod; it has extract, load"),
        (["--like", "no-run", "forest", "load"], "Run no-run has no task that ran forest.load"),
    ],
)
def test_what_there_is_not_is_named(platform: Local, words: list[str], sentence: str) -> None:
    done = step(platform, *words)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_a_breakpoint_in_a_step_is_reached(platform: Local, trained: list[Any], tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    train = tmp_path / "pipelines/forest/train.py"
    line = "            predicted = pipeline.predict(test)\n"
    assert line in train.read_text()
    train.write_text(train.read_text().replace(line, f"            breakpoint()\n{line}"))
    run = trained[0]["dag_run_id"]
    said, code = at_a_terminal(
        command(platform, "--like", run, "forest", "train", "--algorithm=logistic_regression"),
        environment(tmp_path),
        tmp_path,
        ["p algorithm, len(test)", "p 40 + 2", "q"],
    )
    assert "('logistic_regression', " in said
    assert "42" in said
    assert code == 1  # Pdb's `q` ends a step as a bug would


def at_a_terminal(
    command: list[str], environment: dict[str, str], folder: Path, lines: list[str]
) -> tuple[str, int]:
    """Runs a command at a terminal, types a line at each prompt of Pdb, and gives what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )
    os.close(theirs)
    shown, waiting = b"", list(lines)
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        while True:
            try:
                part = terminal.read(4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
            if shown.endswith(b"(Pdb) ") and waiting:
                terminal.write(waiting.pop(0).encode() + b"\n")
    return shown.decode(), process.wait(SECONDS)
