"""A run, followed to its end, task by task: on a cluster, or on this machine."""

import json
import time
from datetime import datetime
from typing import Any, Protocol

from quintet.progress import UserError

MARKS = {"success": "✓", "skipped": "-", "failed": "✗", "upstream_failed": "✗"}


class RunFailed(UserError):
    """A run has failed; the document says how each of its tasks ended."""

    def __init__(self, sentence: str, document: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.document = document


class Airflow(Protocol):
    """What following a run asks; answered by Airflow's REST API, or where there is none by its database."""

    poll_seconds: float

    def run(self, dag: str, run: str) -> dict[str, Any]:
        """Return one run."""

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, in the order of their starts."""

    def result(self, task: dict[str, Any]) -> Any:
        """Return what a task instance returned, or None."""

    def reason(self, task: dict[str, Any]) -> str:
        """Return why a task instance failed or was skipped."""


def follow(airflow: Airflow, dag: str, run: str) -> list[dict[str, Any]]:
    """Print each task of a run as it ends, with its seconds and its result or the reason of its failure.

    Returns:
        The run's task instances, as Airflow has them, each with its `result` and `reason`, which may be None.

    Raises:
        RunFailed: when the run fails.
    """
    print(f"▸ {dag} {run}", flush=True)
    told: dict[tuple[str, int], dict[str, Any]] = {}
    while True:
        state = airflow.run(dag, run)["state"]
        tasks = airflow.tasks(dag, run)
        for task in tasks:
            key = (task["task_id"], task["map_index"])
            if task["state"] in MARKS and key not in told:
                told[key] = _told(airflow, task)
                print(_line({**task, **told[key]}), flush=True)
        if state in ("success", "failed"):
            break
        time.sleep(airflow.poll_seconds)
    untold = {"result": None, "reason": None}
    tasks = [{**task, **told.get((task["task_id"], task["map_index"]), untold)} for task in tasks]
    failed = [task for task in tasks if task["state"] == "failed"]
    if state == "failed":
        cause = (
            f"{task_name(failed[0])} failed: {failed[0]['reason'] or airflow.reason(failed[0])}"
            if failed
            else "no task of it could run"
        )
        raise RunFailed(f"{dag} {run}: {cause}", document(dag, run, state, tasks))
    return tasks


def document(dag: str, run: str | None, state: str, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what `--json` says of a run.

    Args:
        dag: its id.
        run: its id; None for one that did not begin.
        state: of the run.
        tasks: as `follow` returns them.
    """
    ended = [
        {
            "task": task_name(task),
            "state": task["state"],
            "seconds": _seconds(task),
            "result": task["result"],
            "reason": task["reason"],
        }
        for task in tasks
    ]
    return {"dag": dag, "run": run, "state": state, "tasks": ended}


def _told(airflow: Airflow, task: dict[str, Any]) -> dict[str, Any]:
    asks_why = task["state"] in ("skipped", "failed") and task["start_date"]
    return {
        "result": airflow.result(task) if task["state"] == "success" else None,
        "reason": airflow.reason(task) if asks_why else None,
    }


def _line(task: dict[str, Any]) -> str:
    result, said = task["result"], task["reason"] or ""
    if result is not None:
        said = json.dumps(result, ensure_ascii=False)
    return (
        f"  {MARKS[task['state']]} {task_name(task)} {task['state']} {_seconds(task):.1f} s  {said}".rstrip()
    )


def task_name(task: dict[str, Any]) -> str:
    """Return a task instance's id, with the index or label of a mapped one."""
    label = task.get("rendered_map_index") or (task["map_index"] if task["map_index"] >= 0 else "")
    return f"{task['task_id']}[{label}]" if label != "" else str(task["task_id"])


def _seconds(task: dict[str, Any]) -> float:
    """Seconds from a task's start to its end; 0 when it never ran."""
    if not task["start_date"] or not task["end_date"]:
        return 0.0
    start, end = (datetime.fromisoformat(task[key]) for key in ("start_date", "end_date"))
    return (end - start).total_seconds()
