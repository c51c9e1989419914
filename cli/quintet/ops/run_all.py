"""``quintet run-all``: every DAG once, and what came of each as a table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from quintet.follow import document, follow
from quintet.local import services
from quintet.local.airflow import Runner, follow_one
from quintet.local.platform import Platform
from quintet.local.state import State
from quintet.local.task_graph import interruptible
from quintet.ops import first_runs, land
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from quintet.pipelines import in_order, pipelines
from quintet.progress import UserError

EXAMPLES = "samples"
"""The folder, in the pipeline's, of the workbooks that are dropped into the landing zone first."""


@dataclass(frozen=True)
class Outcome:
    """What came of one run.

    Attributes:
        dag: its id.
        state: of the run.
        tasks: as `follow` returns them; none of a run that failed.
        failure: of a run that failed.
    """

    dag: str
    state: str
    tasks: list[dict[str, Any]]
    failure: UserError | None = None

    def document(self) -> dict[str, Any]:
        """Return what `--json` says of the run."""
        if self.failure and self.failure.document:
            return dict(self.failure.document)
        run = self.tasks[0]["dag_run_id"] if self.tasks else None
        return document(self.dag, run, self.state, self.tasks)

    def line(self) -> str:
        """Return the run's line of the table."""
        return (
            f"{self.dag:30} {self.state:8} {self._steps():28} {self._seconds():7.1f}"
            f"  {self._rows():>21}  {self._model()}"
        ).rstrip()

    def _steps(self) -> str:
        states = [task["state"] for task in self.tasks]
        return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states) if state)

    def _seconds(self) -> float:
        times = [
            datetime.fromisoformat(task[key])
            for task in self.tasks
            for key in ("start_date", "end_date")
            if task[key]
        ]
        return (max(times) - min(times)).total_seconds() if times else 0.0

    def _rows(self) -> str:
        new = [result["rows_new"] for result in self._results() if "rows_new" in result]
        if new:
            read = [result.get("rows_read", 0) for result in self._results() if "rows_new" in result]
            return f"{sum(new):,} new of {sum(read):,}" if sum(read) else f"{sum(new):,} new"
        return next((f"{result['rows']:,}" for result in self._results() if "rows" in result), "")

    def _model(self) -> str:
        for result in reversed(self._results()):
            if "verdict" in result and "decision_id" in result:
                version = f", version {result['version']} serves" if result.get("version") else ""
                return f"{result['verdict']}{version}: {result['reason']}"
        return ""

    def _results(self) -> list[dict[str, Any]]:
        return [task["result"] for task in self.tasks if isinstance(task.get("result"), dict)]


def main(kube: Kube, *, example: bool) -> list[dict[str, Any]]:
    """Run every DAG on the cluster, those that do not wait for others at the same time.

    Args:
        kube: the platform.
        example: drop the example workbooks into the landing zone first.

    Returns:
        What `--json` says of each run.

    Raises:
        UserError: when a run fails, after the table.
    """
    with AirflowApi.connect(kube) as airflow:
        paused = {dag["dag_id"]: dag["is_paused"] for dag in airflow.dags()}
        if example and (files := examples(paused)):
            land.main(kube, files)
        outcomes = []
        for wave in waves_of(paused):
            runs = {dag: first_runs.start(airflow, dag) for dag in wave}
            for dag, run in runs.items():
                outcomes.append(_followed(dag, partial(follow, airflow, dag, run)))
                if paused[dag]:
                    airflow.pause(dag)
    return show(outcomes)


def on_machine(state: State, *, example: bool) -> list[dict[str, Any]]:
    """Run every DAG on the local platform, one after the other.

    Args:
        state: of the platform.
        example: drop the example workbooks into the landing zone first.

    Returns:
        What `--json` says of each run.

    Raises:
        UserError: when a run fails, after the table.
    """
    dags = [dag for wave in in_order(pipelines().values()) for dag in wave]
    if example and (files := examples(dags)):
        land.on_machine(state, files)
    with interruptible(), state.alone():
        state.refuse_full_disk()
        start = services.Start(state, list(pipelines()))
        start.run(keep_runner=True)
        assert start.runner  # noqa: S101 - it was asked for
        with start.runner as runner:
            outcomes = [_here(start.platform, runner, dag) for dag in dags]
    return show(outcomes)


def waves_of(known: Iterable[str]) -> list[list[str]]:
    """Return the pipelines' DAGs in waves, those of one wave after all before it.

    Args:
        known: to Airflow: a release may leave pipelines out.
    """
    there = set(known)
    return [[dag for dag in wave if dag in there] for wave in in_order(pipelines().values())]


def show(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Print the table, and return what `--json` says of each run.

    Raises:
        UserError: when a run has failed; names each.
    """
    print(f"\n{'DAG':30} {'state':8} {'steps':28} seconds  {'rows':>21}  model")
    for outcome in outcomes:
        print(outcome.line())
    if failed := [outcome.dag for outcome in outcomes if outcome.state != "success"]:
        error = UserError(f"{', '.join(failed)} failed: `quintet why` says why.")
        error.document = [outcome.document() for outcome in outcomes]
        raise error
    print("Next: quintet status")
    return [outcome.document() for outcome in outcomes]


def examples(dags: Iterable[str]) -> list[Path]:
    """Return the example workbooks, if the pipeline that takes them in has one of these DAGs."""
    pipeline = land.landing()
    if pipeline is None or set(dags).isdisjoint(pipeline.dags):
        return []
    return sorted((pipeline.folder / EXAMPLES).glob("*.xls*"))


def _here(platform: Platform, runner: Runner, dag: str) -> Outcome:
    return _followed(dag, partial(follow_one, platform, runner, dag, datetime.now(UTC), {}))


def _followed(dag: str, run: Callable[[], list[dict[str, Any]]]) -> Outcome:
    """Return what came of a run; one that fails does not keep the others from being told of."""
    try:
        tasks = run()
    except UserError as error:
        print(f"  {error}", flush=True)
        return Outcome(dag, "failed", [], error)
    return Outcome(dag, "success", tasks)
