"""What `quintet kind up` does once everything is ready: first data, a first champion, a first prediction."""

import time

from quintet import predict, status
from quintet.airflow_api import AirflowApi
from quintet.kube import Kube
from quintet.progress import UserError, stage
from quintet.run import follow
from quintet.ui import DOORS, login_hint

CAPTURE, TRAINING = "forest_cover_data_pipeline", "forest_training_pipeline"
DAGS = (CAPTURE, TRAINING, "forest_cover_data_extraction")
DAG_SECONDS = 120
TICK_SECONDS = 10
CHAMPION_SECONDS = 60


def first_runs(kube: Kube) -> None:
    """Let the forest DAGs run; without a champion, capture and train once; then predict and say what is next.

    Raises:
        UserError: when a run fails, or its champion is not served in time.
    """
    with AirflowApi.connect(kube) as airflow:
        with stage("dags", "wait until Airflow has read the DAG files"):
            await_dags(airflow)
        if status.metadata(kube)["model"] is None:
            for dag in (CAPTURE, TRAINING):
                follow(airflow, dag, start(airflow, dag))
            await_champion(kube)
        for dag in DAGS:
            airflow.unpause(dag)
    print(f"▸ prediction, asked for from a Job in the cluster\n  {predict.ask(kube)}")
    _say_next(kube)


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


def await_champion(kube: Kube) -> str:
    """Wait until the API serves a champion and return its version."""
    deadline = time.monotonic() + CHAMPION_SECONDS
    while (served := status.metadata(kube))["model"] is None:
        if time.monotonic() > deadline:
            raise UserError(
                f"Training has ended but the API serves no model after {CHAMPION_SECONDS} s: "
                "`make logs SERVICE=inference-forest` says why."
            )
        time.sleep(1)
    return str(served["version"])


def await_dags(airflow: AirflowApi) -> None:
    """Wait until Airflow has read the DAG files."""
    deadline = time.monotonic() + DAG_SECONDS
    while missing := set(DAGS) - {dag["dag_id"] for dag in airflow.dags()}:
        if time.monotonic() > deadline:
            names = ", ".join(sorted(missing))
            raise UserError(
                f"Airflow has not read {names} after {DAG_SECONDS} s: "
                "`make airflow-cli ARGS='dags list-import-errors'` may say why."
            )
        time.sleep(1)


def _say_next(kube: Kube) -> None:
    print("\n`make ui` forwards these addresses:")
    for name, door in DOORS.items():
        print(f"  {name:9} {door.url.format(door.local):38} {login_hint(kube, door)}")
    print('\nkubectl and the other tools: eval "$(make env)". Next: make ui')
