"""A run, followed to its end, task by task: on a cluster, or on this machine."""

import json
import time
from datetime import datetime
from typing import Any, Protocol

from quintet.progress import UserError

MARKS = {"success": "✓", "skipped": "-", "failed": "✗", "upstream_failed": "✗"}


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
        The run's task instances, as Airflow gives them.

    Raises:
        UserError: when the run fails.
    """
    print(f"▸ {dag} {run}", flush=True)
    shown: set[tuple[str, int]] = set()
    while True:
        state = airflow.run(dag, run)["state"]
        tasks = airflow.tasks(dag, run)
        for task in tasks:
            key = (task["task_id"], task["map_index"])
            if task["state"] in MARKS and key not in shown:
                shown.add(key)
                print(_line(airflow, task), flush=True)
        if state in ("success", "failed"):
            break
        time.sleep(airflow.poll_seconds)
    failed = [task for task in tasks if task["state"] == "failed"]
    if state == "failed":
        cause = (
            f"{task_name(failed[0])} failed: {airflow.reason(failed[0])}"
            if failed
            else "no task of it could run"
        )
        raise UserError(f"{dag} {run}: {cause}")
    return tasks


def _line(airflow: Airflow, task: dict[str, Any]) -> str:
    said = ""
    if task["state"] == "success":
        result = airflow.result(task)
        said = "" if result is None else json.dumps(result, ensure_ascii=False)
    elif task["state"] in ("skipped", "failed") and task["start_date"]:
        said = airflow.reason(task)
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
