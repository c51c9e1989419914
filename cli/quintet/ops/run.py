"""``quintet run``: run a DAG and follow the run to its end, task by task."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quintet.follow import document, follow
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube


def main(kube: Kube, dag: str, params: Mapping[str, Any], date: datetime | None) -> dict[str, Any]:
    """Trigger a DAG and follow the run.

    Args:
        kube: the platform.
        dag: its id.
        params: of the run.
        date: of the run; None means now.

    Returns:
        What `--json` says of it.

    Raises:
        UserError: when the run fails, with the reason of the task that failed.
    """
    with AirflowApi.connect(kube) as airflow:
        run = airflow.trigger(dag, dict(params), date)
        return document(dag, run, "success", follow(airflow, dag, run))
