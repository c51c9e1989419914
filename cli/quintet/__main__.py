"""``python -m quintet``: the one entry to the platform; Make calls it."""

import argparse
import errno
import sys
from collections.abc import Callable

import urllib3

from quintet import dev, terminal
from quintet.local import commands as local
from quintet.local.state import State
from quintet.ops import env, land, predict, retention, rotate, run, run_all, services, status, ui, why
from quintet.ops.kube import Kube, refusal
from quintet.ops.shell_variables import OF_POSTGRES, forget
from quintet.progress import UserError

Describe = Callable[[argparse.ArgumentParser], None]
OnPlatform = Callable[[Kube, argparse.Namespace], None]

OnMachine = Callable[[argparse.Namespace], None]

IN_EITHER: dict[str, tuple[OnPlatform, OnMachine, Describe, str]] = {
    "status": (
        status.main,
        local.status,
        status.add_arguments,
        "services, DAGs, champion, and what to do about what is wrong",
    ),
    "run": (run.main, local.run, run.add_arguments, "run a DAG and follow it to its end"),
    "run-all": (
        run_all.main,
        run_all.on_machine,
        run_all.add_arguments,
        "run every DAG once, with a table",
    ),
    "land": (land.main, land.on_machine, land.add_arguments, "drop workbooks into the Excel landing zone"),
    "why": (
        why.main,
        local.why,
        why.add_arguments,
        "say why a run failed or stands still, and what to do",
    ),
}
ON_PLATFORM: dict[str, tuple[OnPlatform, Describe, str]] = {
    "logs": (services.logs, services.add_service, "follow the logs of a service"),
    "restart": (services.restart, services.add_service, "restart a service"),
    "rotate": (rotate.main, rotate.add_arguments, "change a password, key or token everywhere"),
    "retention": (retention.main, retention.add_arguments, "delete what is older than the values say"),
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
    top.add_argument(
        "--on",
        choices=("local", "cluster"),
        help="where `run`, `status` and `why` look (default: local while its services run, else the cluster)",
    )
    top.add_argument(
        "--state", metavar="DIR", help="folder of the local platform (default: $QUINTET_STATE, else .quintet)"
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (main_of, describe, purpose) in ON_PLATFORM.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        describe(command)
        command.set_defaults(on_platform=main_of)
    for name, (on_cluster, on_machine, describe, purpose) in IN_EITHER.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        describe(command)
        command.set_defaults(on_platform=on_cluster, here=on_machine)
    local.add_commands(commands)
    dev.add_commands(commands)
    return top


def main(words: list[str] | None = None) -> int:
    """Run a command; a failure is one sentence on stderr and a code of its own, mostly 1."""
    terminal.guard()
    # All that is asked here by libpq is the platform's own, by addresses that say all that is to be said.
    forget(OF_POSTGRES)
    arguments = parser().parse_args(words)
    try:
        if "here" in arguments and _is_local(arguments):
            arguments.here(arguments)
        elif "on_platform" in arguments:
            arguments.on_platform(Kube.of(arguments.namespace, arguments.context), arguments)
        else:
            arguments.on_machine(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.code
    except urllib3.exceptions.HTTPError:
        print("The cluster does not answer: `make up` starts it.", file=sys.stderr)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            f"The disk is full ({error.filename or 'no file named'}): free some, and try again.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not (sentence := refusal(error)):
            raise
        print(sentence, file=sys.stderr)
    else:
        return 0
    return 1


def _is_local(arguments: argparse.Namespace) -> bool:
    """Return whether a command of both platforms works on the local one, and tell the user which."""
    state = State.of(arguments.state)
    local_one = arguments.on == "local" or (arguments.on is None and state.is_up())
    print(f"platform {f'local, {state.folder}' if local_one else 'on the cluster'}", flush=True)
    return local_one


if __name__ == "__main__":
    sys.exit(main())
