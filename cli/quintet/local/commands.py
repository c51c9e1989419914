"""The commands of the local platform: ``up``, ``down``, and its ``run``, ``status`` and ``why``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from quintet.diagnosis.explanation import explain
from quintet.local import services
from quintet.local.airflow import LocalAirflow, follow_one, pipeline_with
from quintet.local.evidence import LocalRuns
from quintet.local.parts import shown_services
from quintet.local.platform import Platform
from quintet.local.processes import answers, end_of
from quintet.local.served import champion
from quintet.local.state import State
from quintet.local.task_graph import interruptible
from quintet.pipelines import showcase
from quintet.progress import UserError, stage


def up(state: State) -> None:
    """Start the services that do not run: of the pipeline that shows the platform, and those there were.

    Those of another start with its first run.
    """
    shown = showcase()
    with interruptible(), state.alone():
        state.refuse_full_disk()
        services.Start(state, [shown.name] if shown else []).run()
    _show(state)
    first = shown.training[0] if shown and shown.training else "<the id of a DAG>"
    print(f"Next: quintet run {first}")


def down(state: State) -> None:
    """Stop the services."""
    with interruptible(), state.alone(), stage("down", f"stop what runs; {state.folder} stays"):
        services.stop(state)


def run(state: State, dag: str, params: Mapping[str, Any], date: datetime | None) -> None:
    """Run a DAG here and follow it; starts the services that do not run.

    Args:
        state: of the platform.
        dag: its id.
        params: of the run.
        date: of the run; None means now.

    Raises:
        UserError: when there is no such DAG, or the run fails, with the reason of the task that failed.
    """
    pipeline = pipeline_with(dag)
    with interruptible(), state.alone():
        state.refuse_full_disk()
        start = services.Start(state, [pipeline.name])
        start.run(keep_runner=True)
        assert start.runner  # noqa: S101 - it was asked for
        with start.runner as runner:
            follow_one(start.platform, runner, dag, date or datetime.now(UTC), dict(params))


def status(state: State) -> None:
    """Print what runs, where, and what became of the last runs.

    Raises:
        UserError: when there is no such platform.
    """
    if not state.ports():
        raise UserError(f"There is no local platform in {state.folder}: `quintet up` makes one.")
    _show(state)
    platform = Platform(state)
    running = state.running()
    for name in shown_services(state):
        if name.startswith("inference-") and name in running and running[name].process:
            print(f"champion {champion(platform, name)}")
    if "postgres" in running and running["postgres"].process:
        airflow = LocalAirflow(platform)
        for dag in airflow.dags():
            last = airflow.last_run(dag["dag_id"])
            said = f"last run {last['state']} {last['run_after'][:19]}" if last else "no run yet"
            print(f"dag      {dag['dag_id']:34} {said}")


def why(state: State, words: list[str]) -> None:
    """Print why a run here failed.

    Raises:
        UserError: when there is no such run, or more than one.
    """
    explain(LocalRuns(state.runs), words)


def _show(state: State) -> None:
    platform, running = Platform(state), state.running()
    for name in shown_services(state):
        if name not in running:
            condition = "stopped: `quintet up` starts it"
        elif not running[name].process:
            condition = f"ended by itself: {end_of(state.log(name), 1)} ({state.log(name)})"
        elif name == "postgres":
            condition = "Ready" if platform.postgres.is_ready() else "does not answer"
        elif name == "s3":
            condition = "Ready" if platform.s3.answers() else "does not answer"
        else:
            condition = "Ready" if answers(f"{platform.url(name)}/health") else "does not answer"
        print(f"service  {name:16} {platform.url(name):48} {condition}")
