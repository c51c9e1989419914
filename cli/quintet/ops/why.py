"""``quintet why``: which task of a run failed or stands still, the facts about it, and the likely cause."""

from typing import Any

from quintet.diagnosis.explanation import explain
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.cluster_evidence import ClusterRuns
from quintet.ops.kube import Kube


def main(kube: Kube, words: list[str]) -> dict[str, Any]:
    """Print why a run on a platform failed or stands still.

    Args:
        kube: the platform.
        words: a DAG, a run's id, or both; without any, the latest run that failed or stands still.

    Returns:
        What `--json` says of it.

    Raises:
        UserError: when there is no such run, or more than one.
    """
    with AirflowApi.connect(kube) as airflow:
        return explain(ClusterRuns(kube, airflow), words)
