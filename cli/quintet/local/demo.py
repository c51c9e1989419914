"""``quintet demo``: from nothing to predictions on this machine, in one command that shows what it does."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from quintet.local.airflow import follow_one
from quintet.local.memory import PeakMemory
from quintet.local.parts import shown_services
from quintet.local.served import await_champion, predict
from quintet.local.services import services
from quintet.local.state import DEFAULT, State
from quintet.local.task_graph import interruptible
from quintet.paths import WORKSPACE
from quintet.pipelines import showcase
from quintet.progress import UserError, stage

MOST_DEMOS = 20
MARK = "demo"
"""A folder in a demo's state: all that is in there may go when the next demo begins."""


def main(folder: str | None, *, stay: bool) -> None:
    """Show the platform at work; its state is made again, and when this ends nothing of it runs.

    Args:
        folder: of the state; None takes the first that no demo holds.
        stay: serve until Ctrl-C.

    Raises:
        UserError: when a part of it fails, with the reason.
    """
    shown = showcase()
    if shown is None or shown.training is None:
        raise UserError("There is nothing to show: no pipeline.yaml has a model and a DAG after another.")
    ingestion, training = shown.training
    inference = f"inference-{shown.model}"
    seconds: dict[str, float] = {}
    with interruptible(), fresh_state(folder) as state, PeakMemory(state) as memory:
        begun = time.monotonic()
        with services(state, [shown.name]) as started:
            seconds["environments and services"] = time.monotonic() - begun
            platform, runner = started.platform, started.runner
            assert runner  # noqa: S101 - `services` keeps one
            tasks: list[dict[str, Any]] = []
            for dag in (ingestion, training):
                with _timed(seconds, dag):
                    tasks += follow_one(platform, runner, dag, datetime.now(UTC), {})
            with _timed(seconds, "prediction"), stage("prediction", "the example, to the inference API"):
                served = await_champion(platform, inference)
                example = json.loads(shown.example.read_text(encoding="utf-8"))
                predictions = predict(platform, inference, example)["predictions"]
            _print_results(tasks, served)
            for predicted in predictions:
                of = shown.example.relative_to(WORKSPACE)
                print(f"predicts {predicted['class_name']:20} for the sample in {of}")
            for name, taken in seconds.items():
                print(f"time     {name:28} {taken:6.1f} s")
            print(f"time     {'all':28} {time.monotonic() - begun:6.1f} s")
            print(f"memory   {memory.bytes / 2**20:.0f} MiB at most, all processes together")
            for name in shown_services(state):
                docs = "/docs" if name == inference else ""
                print(f"url      {name:16} {platform.url(name)}{docs}")
            print(f"state    {state.folder}; passwords are in its credentials.json", flush=True)
            if stay:
                print("Ctrl-C ends.", flush=True)
                with contextlib.suppress(KeyboardInterrupt):
                    threading.Event().wait()


@contextlib.contextmanager
def fresh_state(given: str | None) -> Iterator[State]:
    """Have an empty state alone: the one given, else the first of `demo`, `demo-2`, … that no demo holds.

    Raises:
        UserError: when the one given is held or holds something else than a demo, or there is no room.
    """
    names = ["demo", *(f"demo-{number}" for number in range(2, MOST_DEMOS + 1))]
    candidates = [State.of(given)] if given else [State(DEFAULT / name) for name in names]
    for candidate in candidates:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(candidate.alone())
            except UserError:
                if candidate is candidates[-1]:
                    raise
                continue
            _refuse_others(candidate)
            candidate.empty()
            candidate.path(MARK)
            candidate.refuse_full_disk()
            yield candidate
            return


def _refuse_others(state: State) -> None:
    """Check that a folder may be emptied: a demo made what is in it, or nothing is.

    Raises:
        UserError: when something else is.
    """
    found = {path.name for path in state.folder.iterdir()} - {"lock"}
    if found and MARK not in found:
        raise UserError(
            f"{state.folder} holds what is not a demo's: name a new folder, or none, with --state."
        )


@contextlib.contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[name] = time.monotonic() - begun


def _print_results(tasks: list[dict[str, Any]], served: dict[str, Any]) -> None:
    """Print what the runs have made: rows, models, champion."""
    results = [task["result"] for task in tasks if isinstance(task["result"], dict)]
    for loaded in (result for result in results if {"table", "rows_new", "rows_read"} <= result.keys()):
        print(f"rows     {loaded['rows_new']} new in {loaded['table']}, of {loaded['rows_read']} read")
    for trained in (result for result in results if {"algorithm", "bundle_digest"} <= result.keys()):
        scores = (f"{name} {value:.4f}" for name, value in trained.items() if isinstance(value, float))
        print(f"model    {trained['algorithm']:20} {'  '.join(scores)}")
    for promoted in (result for result in results if {"champion", "decision_id"} <= result.keys()):
        print(
            f"champion {promoted['champion']}, version {served['version']} of {served['model']}:"
            f" {promoted['reason']}"
        )
