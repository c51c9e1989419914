"""Airflow without a scheduler: a process that runs DAGs, and its database for what became of them."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

from quintet.follow import follow
from quintet.local.platform import Platform, python
from quintet.local.processes import INHERITED, WITHOUT_A_PROXY, Running, end_of
from quintet.local.state import RUNNER
from quintet.paths import PIPELINES
from quintet.pipelines import Pipeline, pipeline_of, pipelines
from quintet.progress import UserError
from stepkit.settings import Run

END_SECONDS = 30
"""How long a run may take to stop its step, which gets 10 s for it."""


class Runner:
    """A process of Airflow's environment that runs DAGs one after another; ends with the `with` block.

    Args:
        platform: whose steps it runs.
    """

    def __init__(self, platform: Platform) -> None:
        self.log = platform.state.log("airflow")
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = {**own, **WITHOUT_A_PROXY, **platform.airflow_environment()}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python("airflow")), "-m", "quintet.local.dag_runner"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                start_new_session=True,
            )
        self._running = Running.of(self._process.pid)
        platform.state.note_running(RUNNER, self._running)
        self._state = platform.state

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, with the step that it may be running."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self._running.end(signal.SIGKILL, 0)
        self._state.note_running(RUNNER, None)

    def migrate(self) -> None:
        """Make Airflow's database, or bring it to this Airflow's schema.

        Raises:
            UserError: when that fails.
        """
        self._ask({"migrate": True})
        self._answer("state")

    def start(self, dag: str, date: datetime, params: dict[str, Any]) -> str:
        """Start a run and return its id.

        Raises:
            UserError: when there is no such DAG, or it refuses the parameters.
        """
        folder = str(pipeline_with(dag).folder / "dags")
        self._ask({"dag": dag, "folder": folder, "date": date.isoformat(), "params": params})
        return self._answer("run")

    def state(self) -> str:
        """Wait for the end of the run and return its state.

        Raises:
            UserError: when the process ends before.
        """
        return self._answer("state")

    def _ask(self, request: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # its answer says more
            print(json.dumps(request), file=self._process.stdin, flush=True)

    def _answer(self, wanted: str) -> str:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        answer = json.loads(line) if line else {"error": f"it ended: {end_of(self.log)}"}
        if "error" in answer:
            raise UserError(f"Airflow: {answer['error']}\n  Log: {self.log}")
        return str(answer[wanted])


class LocalAirflow:
    """What became of runs, with the same questions as :class:`quintet.ops.airflow_api.AirflowApi`.

    Args:
        platform: whose Airflow.
    """

    poll_seconds = 0.25

    def __init__(self, platform: Platform) -> None:
        self._url = platform.database_url("airflow", "airflow")
        self._state = platform.state
        self._runs = platform.state.runs
        self._log = platform.state.log("airflow")
        self._ended = threading.Event()
        self._session: Any = None

    @contextlib.contextmanager
    def watching(self, runner: Runner) -> Iterator[None]:
        """Take a run for failed when its runner ends before it; wait for the runner at the block's end."""
        problem: list[UserError] = []

        def wait() -> None:
            try:
                runner.state()
            except UserError as error:
                problem.append(error)
            self._ended.set()

        self._ended.clear()
        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()
        try:
            yield
        except UserError as error:
            if problem:
                raise problem[0] from error
            raise
        waiter.join()
        if problem:
            raise problem[0]

    def dags(self) -> list[dict[str, Any]]:
        """Return all DAGs that have been run."""
        return self._select("SELECT dag_id, false AS is_paused FROM dag ORDER BY dag_id")

    def last_run(self, dag: str) -> dict[str, Any]:
        """Return a DAG's latest run; empty before its first."""
        found = self._select(
            "SELECT run_id AS dag_run_id, state, run_after FROM dag_run WHERE dag_id = %s"
            " ORDER BY id DESC LIMIT 1",
            dag,
        )
        last = next(iter(found), {})
        if last.get("state") == "running" and not self._is_running():
            last["state"] = "interrupted"
        return last

    def run(self, dag: str, run: str) -> dict[str, Any]:
        """Return one run."""
        found = self._select("SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s", dag, run)
        state = found[0]["state"] if found else "queued"
        if self._ended.is_set() and state not in ("success", "failed"):
            state = "failed"
        return {"state": state}

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, in the order of their starts."""
        return self._select(
            "SELECT dag_id, run_id AS dag_run_id, task_id, map_index, state, start_date, end_date,"
            " try_number, rendered_map_index FROM task_instance"
            " WHERE dag_id = %s AND run_id = %s ORDER BY start_date",
            dag,
            run,
        )

    def result(self, task: dict[str, Any]) -> Any:
        """Return what a task instance returned, or None."""
        return _read(self._last_try(task) / "result.json")

    def reason(self, task: dict[str, Any]) -> str:
        """Return why a task instance failed or was skipped: its own sentence, else how it ended."""
        folder = self._last_try(task)
        said = _read(folder / "result.json") or {}
        if sentence := said.get("message"):
            return str(sentence)
        if end := _read(folder / "end.json"):
            how = f"it was ended by {end['signal']}" if end["signal"] else f"exit code {end['exit_code']}"
            return f"{how}; its log: {folder / 'log.jsonl'}"
        return f"it was not started; Airflow's log: {self._log}"

    def _is_running(self) -> bool:
        runner = self._state.running().get(RUNNER)
        return runner is not None and runner.process is not None

    def _last_try(self, task: dict[str, Any]) -> Path:
        name = task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}-{task['map_index']}"
        key = Run(run_id=task["dag_run_id"]).key
        folder: Path = self._runs / task["dag_id"] / key / name / f"try-{task['try_number']}"
        return folder

    def _select(self, query: str, *values: str) -> list[dict[str, Any]]:
        try:
            # One session for all questions, as a run is asked about many times a second.
            if self._session is None or self._session.closed:
                self._session = psycopg2.connect(self._url, connect_timeout=5)
                self._session.autocommit = True
            with self._session.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as rows:
                rows.execute(query, values)
                found = [dict(row) for row in rows.fetchall()]
        except psycopg2.errors.UndefinedTable:
            return []
        except psycopg2.Error as error:
            raise UserError(f"Postgres does not answer ({error}): `quintet up` starts it.") from error
        times = ("start_date", "end_date", "run_after")
        return [
            {key: value.isoformat() if key in times and value else value for key, value in row.items()}
            for row in found
        ]


def pipeline_with(dag: str) -> Pipeline:
    """Return the pipeline of a DAG.

    Raises:
        UserError: when no pipeline names it.
    """
    if found := pipeline_of(dag):
        return found
    known = ", ".join(sorted(dag for pipeline in pipelines().values() for dag in pipeline.dags))
    raise UserError(f"There is no DAG {dag}; the pipelines in {PIPELINES} name {known or 'none'}.")


def follow_one(
    platform: Platform, runner: Runner, dag: str, date: datetime, params: dict[str, Any]
) -> list[dict[str, Any]]:
    """Run a DAG and print each task as it ends.

    Returns:
        The run's task instances, as `follow` does.

    Raises:
        UserError: when it fails, or its runner does.
    """
    airflow = LocalAirflow(platform)
    run_id = runner.start(dag, date, params)
    with airflow.watching(runner):
        return follow(airflow, dag, run_id)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
