"""Lines of `quintet status` that both platforms have, and what `--json` says of the same."""

from collections.abc import Iterable
from typing import Any


def show_champions(champions: Iterable[dict[str, Any]]) -> None:
    """Print a line for each model: its version, or why there is none."""
    for each in champions:
        version = f" version {each['version']}" if each["version"] is not None else f": {each['state']}"
        print(f"champion {each['model']}{version}")


def shown_dags(airflow: Any, advice: str = "") -> list[dict[str, Any]]:
    """Print a line for each DAG, and return what `--json` says of them.

    Args:
        airflow: of the platform.
        advice: about a DAG that is paused, with its id at ``{}``.
    """
    dags = []
    for dag in airflow.dags():
        run = airflow.last_run(dag["dag_id"])
        known = {"dag": dag["dag_id"], "paused": dag["is_paused"], "run": run.get("dag_run_id")}
        dags.append({**known, "state": run.get("state"), "time": run.get("run_after")})
        last = f"last run {run['state']} {run['run_after'][:19]}" if run else "no run yet"
        paused = f", paused: {advice.format(dag['dag_id'])}" if dag["is_paused"] else ""
        print(f"dag      {dag['dag_id']:34} {last}{paused}")
    return dags
