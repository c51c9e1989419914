"""What the runs of this machine left behind: which failed or have not ended, and what is known of them.

Each try of a task has a folder ``<dag>/<run key>/<task>[-<map index>]/try-<n>`` with ``command.json``,
``log.jsonl``, and at its end ``result.json`` and ``end.json``.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.diagnosis.evidence import Evidence, Run, Said, StepLog
from stepkit.exit_codes import NOTHING_TO_DO


@dataclass(frozen=True)
class LocalRuns:
    """The runs in a folder, as `quintet.diagnosis.evidence.Runs` wants them."""

    folder: Path

    def dags(self) -> set[str]:
        """Return the ids of all DAGs that have run."""
        return {path.name for path in self.folder.glob("*")}

    def latest(self, dag: str) -> list[Run]:
        """Return the latest runs that failed or have not ended, the latest first; of a DAG, or of all."""
        folders = sorted(self.folder.glob(f"{dag or '*'}/*"), key=_changed, reverse=True)
        return [run for run in map(_run, folders) if run.state != "success"]

    def named(self, run: str) -> list[Run]:
        """Return the runs with an id, which runs of several DAGs may share."""
        return [_run(folder) for folder in sorted(self.folder.glob(f"*/{_key(run)}"))]

    def broken_files(self, dag: str) -> Iterator[Evidence]:
        """Yield nothing: without a cluster a DAG file that cannot be read ends the command that reads it."""
        yield from ()

    def service_state(self, service: str) -> str:
        """Return nothing: `quintet status` knows the services of this machine."""
        return ""

    def evidence(self, run: Run) -> list[Evidence]:
        """Return what is known of each task that did not succeed, the first to end first."""
        tries = [_latest_try(task) for task in (self.folder / run.dag / _key(run.id)).iterdir()]
        found = sorted(filter(None, tries), key=_changed)
        return [evidence for evidence in map(_of_try, found) if evidence.state != "success"]


def _run(folder: Path) -> Run:
    tries = [attempt for attempt in map(_latest_try, folder.iterdir()) if attempt]
    states = {_of_try(attempt).state for attempt in tries}
    state = next((state for state in ("failed", "running") if state in states), "success")
    names = (_read(attempt / "command.json").get("env", {}).get("RUN_ID") for attempt in tries)
    return Run(folder.parent.name, next(filter(None, names), folder.name), state)


def _key(run: str) -> str:
    """Spell a run's id as `stepkit.settings.Run.key` does."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", run)


def _latest_try(task: Path) -> Path | None:
    return max(task.glob("try-*"), key=_number, default=None)


def _of_try(folder: Path) -> Evidence:
    end = _read(folder / "end.json")
    exit_code: int | None = end.get("exit_code")
    state = "failed" if end else "running"
    if exit_code in (0, NOTHING_TO_DO):
        state = "skipped" if exit_code else "success"
    log_file = folder / "log.jsonl"
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines() if log_file.exists() else []
    log = StepLog.of(lines)
    result = folder / "result.json"
    return Evidence(
        task=_task_name(folder.parent.name),
        state=state,
        attempt=_number(folder),
        attempts=_number(folder),
        seconds=_seconds(end, folder),
        exit_code=exit_code,
        signal=end.get("signal") or "",
        said=Said.of(result.read_text(encoding="utf-8")) if result.exists() and exit_code else Said(),
        log=log.lines,
        traceback=log.traceback,
    )


def _task_name(folder: str) -> str:
    """Spell `train-0`, the folder of a mapped task, as `train[0]`."""
    return re.sub(r"-(\d+)$", r"[\1]", folder)


def _seconds(end: dict[str, Any], folder: Path) -> float:
    if end:
        return (_moment(end["ended"]) - _moment(end["started"])).total_seconds()
    return datetime.now(UTC).timestamp() - folder.stat().st_mtime


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix("try-"))


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
