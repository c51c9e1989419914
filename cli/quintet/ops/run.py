"""``quintet run``: run a DAG and follow the run to its end, task by task."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from quintet.follow import follow
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.add_argument("dag", help="its id; `quintet status` lists them")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        type=_param,
        metavar="NAME=VALUE",
        help="a parameter of the DAG",
    )
    parser.add_argument(
        "--date",
        type=moment,
        metavar="TIME",
        help="of the run, ISO 8601, in UTC unless it says otherwise (default: now)",
    )


def main(kube: Kube, arguments: argparse.Namespace) -> None:
    """Trigger a DAG and follow the run.

    Raises:
        UserError: when the run fails, with the reason of the task that failed.
    """
    with AirflowApi.connect(kube) as airflow:
        run = airflow.trigger(arguments.dag, dict(arguments.param), arguments.date)
        follow(airflow, arguments.dag, run)


def moment(text: str) -> datetime:
    """Parse a time, ISO 8601; one without a zone is in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write it as 2026-01-31T12:00:00Z"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _param(text: str) -> tuple[str, Any]:
    """Parse ``name=value``; a value that is JSON keeps its type."""
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not a NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
