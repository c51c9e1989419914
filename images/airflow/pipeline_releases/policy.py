"""What Airflow asks of each DAG that it has read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_releases.manifest import FILE, Manifest

if TYPE_CHECKING:
    from airflow.sdk import DAG


def dag_policy(dag: DAG) -> None:
    """Refuse a DAG of a pipeline's own release that the release does not claim: the id may be another's.

    Its DAG files made others when they were published.

    Raises:
        AirflowClusterPolicyViolation: Airflow then shows the sentence as the error of the file.
    """
    file = Path(dag.fileloc)
    manifest = file.parent.parent / FILE
    if not manifest.exists():
        return
    claimed = Manifest.parse(manifest.read_bytes()).releases[file.parent.name].claims["DAG"]
    if dag.dag_id not in claimed:
        # Airflow is not whole yet when it imports its settings, and this with them.
        from airflow.exceptions import AirflowClusterPolicyViolation

        raise AirflowClusterPolicyViolation(
            f"{file.name} makes the DAG {dag.dag_id}, and the release of pipeline {file.parent.name} has only"
            f" {', '.join(claimed)}: name it in `dags` of pipeline.yaml, or let the file make no other."
        )
