"""``python -m quintet``: the one door to the platform; Make calls it."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import urllib3
from kubernetes.client import ApiException

from quintet import env, predict, run, services, status, ui, why, workshop
from quintet.kube import Kube
from quintet.progress import UserError

Describe = Callable[[argparse.ArgumentParser], None]
OnPlatform = Callable[[Kube, argparse.Namespace], None]

ON_PLATFORM: dict[str, tuple[OnPlatform, Describe, str]] = {
    "status": (
        status.main,
        status.add_arguments,
        "pods, release, DAGs, champion, and what to do about what is wrong",
    ),
    "logs": (services.logs, services.add_service, "follow the logs of a service"),
    "restart": (services.restart, services.add_service, "restart a service"),
    "run": (run.main, run.add_arguments, "run a DAG and follow it to its end"),
    "why": (why.main, why.add_arguments, "say why a run failed or stands still, and what to do"),
    "predict": (predict.main, predict.add_arguments, "ask for a prediction from inside the cluster"),
    "ui": (ui.main, ui.add_arguments, "forward the platform's ports to this machine"),
    "env": (env.main, env.add_arguments, "print exports for the tools on this machine"),
    "airflow-cli": (services.airflow_cli, services.add_airflow_arguments, "run Airflow's own command line"),
}


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="quintet", description="Quintet: ML pipelines on Kubernetes.")
    top.add_argument(
        "--context", help="of your kubeconfig (default: the cluster of `up`, else the current context)"
    )
    top.add_argument("-n", "--namespace", default="quintet", help="of the release (default: quintet)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (main_of, describe, purpose) in ON_PLATFORM.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        describe(command)
        command.set_defaults(on_platform=main_of)
    workshop.add_commands(commands)
    return top


def main(words: list[str] | None = None) -> int:
    """Run a command; a failure is one sentence on stderr and code 1."""
    arguments = parser().parse_args(words)
    try:
        if "on_platform" in arguments:
            arguments.on_platform(Kube.of(arguments.namespace, arguments.context), arguments)
        else:
            arguments.on_machine(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
    except ApiException as error:
        print(f"Kubernetes answered {error.status} {error.reason}: {_message(error)}", file=sys.stderr)
    except urllib3.exceptions.HTTPError:
        print("The cluster does not answer: `make up` starts it.", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    else:
        return 0
    return 1


def _message(error: ApiException) -> Any:
    try:
        return json.loads(error.body)["message"]
    except (KeyError, TypeError, ValueError):
        return error.body


if __name__ == "__main__":
    sys.exit(main())
