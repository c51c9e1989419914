"""``quintet why``: which task of a run failed or stands still, the facts about it, and the likely cause."""

import argparse

from quintet.diagnosis.explanation import explain
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.cluster_evidence import ClusterRuns
from quintet.ops.kube import Kube


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[DAG] [RUN]",
        help="a DAG, a run's id, or both; default: the latest run that failed or stands still",
    )


def main(kube: Kube, arguments: argparse.Namespace) -> None:
    """Print why a run on a platform failed or stands still.

    Raises:
        UserError: when there is no such run, or more than one.
    """
    with AirflowApi.connect(kube) as airflow:
        explain(ClusterRuns(kube, airflow), arguments.words)
