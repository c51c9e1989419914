"""``quintet demo``: from nothing to predictions on this machine, in one command that shows what it does."""

import argparse
import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from forest.schema import COLUMNS, COVER_TYPES, NAMES
from quintet import loopback
from quintet.local.airflow import follow_one
from quintet.local.memory import PeakMemory
from quintet.local.platform import Platform, shown_services
from quintet.local.served import await_champion, predict
from quintet.local.services import services
from quintet.local.state import DEFAULT, State
from quintet.local.together import interruptible
from quintet.progress import UserError, stage

CAPTURE, TRAINING, CAPTURES = "forest_cover_data_pipeline", "forest_training_pipeline", 3
PARAMETERS = {"n_estimators": 50, "svc_max_rows": 5000, "svc_components": 150}
"""Smaller than the defaults, with which training alone would take as long as all the rest."""
INFERENCE = "inference-forest"
OTHER_GROUP = 10
"""Group of the data API whose samples no DAG captures: it gives the demo what to predict."""
MOST_DEMOS = 20
MARK = "demo"
"""A folder in a demo's state: all that is in there may go when the next demo begins."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.add_argument("--exit", action="store_true", help="end at once instead of serving until Ctrl-C")


def main(arguments: argparse.Namespace) -> None:
    """Show the platform at work; its state is made anew, and when this ends nothing of it runs.

    Raises:
        UserError: when a part of it fails, with the reason.
    """
    seconds: dict[str, float] = {}
    with interruptible(), fresh_state(arguments.state) as state, PeakMemory(state) as memory:
        begun = time.monotonic()
        with services(state, ["forest"]) as started:
            seconds["environments and services"] = time.monotonic() - begun
            platform, runner = started.platform, started.runner
            assert runner  # noqa: S101 - `services` keeps one
            tasks: list[dict[str, Any]] = []
            for number in range(1, CAPTURES + 1):
                with _timed(seconds, f"capture {number}"):
                    tasks += follow_one(platform, runner, CAPTURE, datetime.now(UTC), {})
            said = ", ".join(f"{name}={value}" for name, value in PARAMETERS.items())
            print(f"  trained smaller than by default, to be quick: {said}", flush=True)
            with _timed(seconds, "training"):
                tasks += follow_one(platform, runner, TRAINING, datetime.now(UTC), PARAMETERS)
            with _timed(seconds, "predictions"), stage("predictions", "three samples, to the inference API"):
                served = await_champion(platform, INFERENCE)
                samples = _samples(platform)
                predictions = predict(platform, INFERENCE, [sample for sample, _ in samples])
            _print_results(tasks, served)
            for (_, true), predicted in zip(samples, predictions, strict=True):
                print(f"predicts {predicted['class_name']:20} where {true} grows")
            for name, taken in seconds.items():
                print(f"time     {name:28} {taken:6.1f} s")
            print(f"time     {'all':28} {time.monotonic() - begun:6.1f} s")
            print(f"memory   {memory.bytes / 2**20:.0f} MiB at most, all processes together")
            for name in shown_services(state):
                docs = "/docs" if name == INFERENCE else ""
                print(f"url      {name:16} {platform.url(name)}{docs}")
            print(f"state    {state.folder}; passwords are in its credentials.json", flush=True)
            if not arguments.exit:
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
        raise UserError(f"{state.folder} holds what is no demo's: name a new folder, or none, with --state.")


@contextlib.contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[name] = time.monotonic() - begun


def _samples(platform: Platform) -> list[tuple[dict[str, Any], str]]:
    """Return three samples of a batch that was not captured, each with its true class, no class twice."""
    rows: list[list[str]] = []
    for _ in range(CAPTURES + 1):
        answer = loopback.session().get(
            f"{platform.url('forest-api')}/data", params={"group_number": OTHER_GROUP}, timeout=30
        )
        rows = answer.json()["data"]
    by_class = {row[-1]: row for row in reversed(rows)}
    chosen = [*by_class.values(), *rows][:3]
    numeric = [column.low is not None for column in COLUMNS[:-1]]
    return [
        (
            {
                name: int(text) if number else text
                for name, text, number in zip(NAMES[:-1], row[:-1], numeric, strict=True)
            },
            COVER_TYPES[int(row[-1])],
        )
        for row in chosen
    ]


def _print_results(tasks: list[dict[str, Any]], served: dict[str, Any]) -> None:
    """Print what the runs have made: rows, models, champion."""
    loaded = [task["result"] for task in tasks if task["task_id"] == "load" and task["result"]]
    new, read = (sum(result[key] for result in loaded) for key in ("rows_new", "rows_read"))
    print(f"rows     {new} new in {loaded[0]['table']}, of {read} read")
    for task in tasks:
        if task["task_id"] == "train_forest_models":
            result = task["result"]
            scores = f"f1_macro {result['f1_macro']:.4f}  accuracy {result['accuracy']:.4f}"
            print(f"model    {result['algorithm']:20} {scores}")
    promoted = next(task["result"] for task in tasks if task["task_id"] == "promote")
    print(
        f"champion {promoted['champion']}, version {served['version']} of {served['model']}:"
        f" {promoted['reason']}"
    )
