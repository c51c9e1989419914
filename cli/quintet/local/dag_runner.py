"""Runs DAGs through Airflow's own ``dag.test()``; this module alone is run by Airflow's environment.

It reads one request a line from stdin and answers each with lines on stdout, both JSON. Requests:
``{"migrate": true}`` and ``{"dag": id, "folder": of its file, "date": ISO 8601, "params": {...}}``. Answers:
``{"run": id}`` once a run has its id, then ``{"state": ...}``; or ``{"error": sentence}``. Airflow's own log
goes to stderr.

The end of stdin is the end of whoever asked: a step that runs then is stopped, and this process ends.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

Answer = Callable[[dict[str, Any]], None]
POLL_SECONDS = 0.05
ALONE_SECONDS = 0.5
"""Without a step for so long, none is about to start or to end."""


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever Airflow prints is log

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, _interrupt)
    at_work = threading.Event()
    threading.Thread(target=_read, args=(requests, at_work), daemon=True).start()
    # What is imported stays: to look for garbage in it is a fifth of those seconds.
    gc.disable()
    import airflow.models.dagbag  # noqa: F401 - seconds of work that need no request

    serve_tasks_by_one_version()
    gc.freeze()
    gc.enable()
    while (request := requests.get()) is not None:
        at_work.set()
        try:
            _serve(request, answer)
        except KeyboardInterrupt:
            answer({"error": "the run was stopped"})
            return
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})
        at_work.clear()


def _read(requests: queue.SimpleQueue[dict[str, Any] | None], at_work: threading.Event) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    requests.put(None)
    if at_work.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
        _end_after_the_step()


def _end_after_the_step() -> NoReturn:
    """End this process when its step has: Airflow keeps SIGTERM to itself, and would try the step again."""
    alone = 0.0
    while alone < ALONE_SECONDS:
        time.sleep(POLL_SECONDS)
        alone = 0.0 if psutil.Process().children() else alone + POLL_SECONDS
    os._exit(0)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _serve(request: dict[str, Any], answer: Answer) -> None:
    if "migrate" in request:
        _migrate()
        answer({"state": "success"})
    else:
        date = datetime.fromisoformat(request["date"])
        _run(request["dag"], Path(request["folder"]), date, request["params"], answer)


def serve_tasks_by_one_version() -> None:
    """Limit Airflow's API for tasks, which is in this process, to the newest of its versions.

    It makes the routes of each version at the first request: three seconds of a run, for clients that are
    older than the server. Here both are one.
    """
    from airflow.api_fastapi.execution_api import routes, versions
    from cadwyn import HeadVersion, Version, VersionBundle
    from cadwyn.route_generation import _DELETED_ROUTE_TAG as OLDER_VERSIONS_ONLY

    versions.bundle = VersionBundle(HeadVersion(), Version(versions.bundle.versions[0].value))
    router = routes.execution_api_router
    router.routes[:] = [
        route for route in router.routes if OLDER_VERSIONS_ONLY not in getattr(route, "tags", [])
    ]


def _migrate() -> None:
    """Make the database, or bring it to this Airflow's schema."""
    from airflow.utils import db

    db.upgradedb()


def _run(dag_id: str, folder: Path, date: datetime, params: dict[str, Any], answer: Answer) -> None:
    from airflow import settings
    from airflow.dag_processing import dagbag
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunType

    bag = dagbag.DagBag(dag_folder=folder, bundle_path=Path(settings.DAGS_FOLDER))
    if bag.import_errors:
        file, error = next(iter(bag.import_errors.items()))
        answer({"error": f"{file} cannot be read: {error.strip().splitlines()[-1]}"})
        return
    dag = bag.dags.get(dag_id)
    if dag is None:
        known = ", ".join(sorted(bag.dags)) or "none"
        answer({"error": f"the files in {folder} make no DAG {dag_id}; they make {known}"})
        return
    if refusal := _refusal(dag, params):
        answer({"error": refusal})
        return
    run_id = DagRun.generate_run_id(run_type=DagRunType.MANUAL, logical_date=date, run_after=date)
    # `test` deletes it too, but later: who asks for the run until then is told how the former one ended.
    _delete_former(dag_id, date)
    answer({"run": run_id})
    # `test` reads all DAGs once more and writes them to the database, a third of what a run costs here:
    # it is given the one that it runs.
    bag.dags = {dag_id: dag}
    dagbag.BundleDagBag = lambda **_: bag
    # With a logical date, as `test` without one clears the tasks of every former run of the DAG.
    run = dag.test(run_after=date, logical_date=date, run_conf=params)
    answer({"state": str(run.state)})


def _delete_former(dag_id: str, date: datetime) -> None:
    """Delete the run of the same date, with its tasks."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        same = select(DagRun).where(DagRun.dag_id == dag_id, DagRun.logical_date == date)
        for run in session.scalars(same):
            session.delete(run)


def _refusal(dag: Any, params: dict[str, Any]) -> str:
    """Return what is wrong with the parameters, in the words of a run on a cluster; "" if nothing is."""
    from airflow.sdk.exceptions import ParamValidationError

    if unknown := sorted(set(params) - set(dag.params)):
        takes = ", ".join(sorted(dag.params)) or "none"
        return f"{dag.dag_id} has no parameter {unknown[0]}; it takes {takes}."
    for name, value in params.items():
        try:
            dag.params.get_param(name).resolve(value)
        except ParamValidationError as error:
            return f"{dag.dag_id} refuses {name}={value!r}: {str(error).splitlines()[0]}"
    return ""


if __name__ == "__main__":
    main()
