"""What `quintet kind up` does once everything is ready: first data, a first champion, a first prediction."""

import time
from collections.abc import Collection

from quintet.follow import follow
from quintet.ops import predict, status
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.installed import API, models_of, pipelines_of
from quintet.ops.kube import Kube
from quintet.ops.ui import doors_of, login_hint
from quintet.pipelines import Pipeline, showcase
from quintet.progress import UserError, stage

DAG_SECONDS = 120
TICK_SECONDS = 10
CHAMPION_SECONDS = 60


def first_runs(kube: Kube) -> None:
    """Start the DAGs of the showcase, show a prediction of its model, and say what is next.

    Without a champion it first takes in what the training learns from, and trains once.

    Raises:
        UserError: when a run fails, or its champion is not served in time.
    """
    if shown := showcase(pipelines_of(kube).values()):
        _show(kube, shown)
    else:
        print("▸ no first runs: the release has no pipeline with a model and a DAG after another")
    _say_next(kube)


def _show(kube: Kube, pipeline: Pipeline) -> None:
    model = pipeline.model if pipeline.model in models_of(kube) else None
    with AirflowApi.connect(kube) as airflow:
        with stage("dags", "wait until Airflow has read the DAG files"):
            await_dags(airflow, pipeline.dags)
        if model and status.metadata(kube, model)["model"] is None:
            for dag in pipeline.training or ():
                follow(airflow, dag, start(airflow, dag))
            await_champion(kube, model)
        for dag in pipeline.dags:
            airflow.unpause(dag)
    if model:
        print(f"▸ prediction, asked for from a Job in the cluster\n  {predict.ask(kube, model)}")


def start(airflow: AirflowApi, dag: str) -> str:
    """Unpause a DAG and return its first run: Airflow's own for the last tick, else one that we ask for."""
    airflow.unpause(dag)
    deadline = time.monotonic() + TICK_SECONDS
    while time.monotonic() < deadline:
        run = airflow.last_run(dag)
        if run.get("state") in ("queued", "running"):
            return str(run["dag_run_id"])
        time.sleep(0.5)
    return airflow.trigger(dag, {})


def await_champion(kube: Kube, model: str) -> str:
    """Wait until the API of a model serves a champion and return its version."""
    deadline = time.monotonic() + CHAMPION_SECONDS
    while (served := status.metadata(kube, model))["model"] is None:
        if time.monotonic() > deadline:
            raise UserError(
                f"Training has ended but the API serves no model after {CHAMPION_SECONDS} s: "
                f"`make logs SERVICE={API}{model}` says why."
            )
        time.sleep(1)
    return str(served["version"])


def await_dags(airflow: AirflowApi, dags: Collection[str]) -> None:
    """Wait until Airflow has read the files of some DAGs."""
    deadline = time.monotonic() + DAG_SECONDS
    while missing := set(dags) - {dag["dag_id"] for dag in airflow.dags()}:
        if time.monotonic() > deadline:
            names = ", ".join(sorted(missing))
            raise UserError(
                f"Airflow has not read {names} after {DAG_SECONDS} s: "
                "`make airflow-cli ARGS='dags list-import-errors'` may say why."
            )
        time.sleep(1)


def _say_next(kube: Kube) -> None:
    print("\n`make ui` forwards these addresses:")
    for name, forward in doors_of(kube).items():
        print(f"  {name:9} {forward.url.format(forward.local):38} {login_hint(kube, forward)}")
    print('\nkubectl and the other tools: eval "$(make env)". Next: make ui')
