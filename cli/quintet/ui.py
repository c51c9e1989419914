"""``quintet ui``: the platform's ports on this machine, and how to log in."""

import argparse
import contextlib
import threading
import webbrowser
from collections.abc import Iterable
from dataclasses import dataclass

from quintet.installed import API, model_of, models_of
from quintet.kube import Kube
from quintet.pipelines import models
from quintet.progress import UserError

FIRST_API = "api"
"""What a person calls the API of the first model."""
FIRST_PORT = 8000
"""Of this machine, to the API of the first model; that of the next one has the next."""


@dataclass(frozen=True)
class Door:
    """A port of the platform.

    Attributes:
        service: the Service.
        port: its port.
        local: the port of this machine, unless another is asked for.
        url: what to open, with the local port at ``{}``.
        login: the Secret with user name and password, or "" where there is none.
    """

    service: str
    port: int
    local: int
    url: str
    login: str = ""


DOORS = {
    "airflow": Door("airflow-api-server", 8080, 8080, "http://localhost:{}", "airflow-admin"),
    "mlflow": Door("mlflow", 5000, 5000, "http://localhost:{}", "mlflow-admin"),
    "minio": Door("minio", 9001, 9001, "http://localhost:{}", "minio-root"),
    "s3": Door("minio", 9000, 9000, "http://localhost:{}", "minio-root"),
    "postgres": Door("postgres", 5432, 5432, "postgresql://localhost:{}/quintet", "postgres-superuser"),
}
"""Those of the platform itself; the API of each model has one too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    try:
        doors = _doors(models())
    except UserError:
        # Whoever runs the command reads what is wrong about a pipeline, and no other command stops at it.
        doors = DOORS
    parser.add_argument(
        "only",
        nargs="?",
        metavar="NAME",
        help=f"forward this one and open it: {', '.join(doors)}, or {FIRST_API} for the first model "
        "(default: forward all)",
    )
    _add_ports(parser, doors)


def add_ports(parser: argparse.ArgumentParser, *names: str) -> None:
    """Describe an option for the port of this machine that leads through each of some doors."""
    _add_ports(parser, {name: DOORS[name] for name in names})


def main(kube: Kube, arguments: argparse.Namespace) -> None:
    """Forward ports until interrupted.

    Raises:
        UserError: when a port is taken, or there is nothing of the name that is asked for.
    """
    doors = doors_of(kube)
    if arguments.only:
        doors = _only(kube, doors, arguments.only)
    with contextlib.ExitStack() as stack:
        for name, door in doors.items():
            wanted = getattr(arguments, _option(name), door.local)
            port = stack.enter_context(kube.forward(door.service, door.port, wanted))
            print(f"  {name:9} {door.url.format(port):38} {login_hint(kube, door)}", flush=True)
        print("Ctrl-C ends.", flush=True)
        if arguments.only:
            webbrowser.open(door.url.format(port))
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def doors_of(kube: Kube) -> dict[str, Door]:
    """Return the doors of a platform, with those of the models that it serves."""
    served = models_of(kube)
    known = models()
    doors = _doors([*known, *(model for model in served if model not in known)])
    absent = {f"{API}{model}" for model in known} - {f"{API}{model}" for model in served}
    return {name: door for name, door in doors.items() if door.service not in absent}


def _doors(of: Iterable[str]) -> dict[str, Door]:
    """Return the doors of a platform that serves some models."""
    doors = dict(DOORS)
    for port, model in enumerate(of, FIRST_PORT):
        name = f"{API}{model}" if model in (*DOORS, FIRST_API) else model
        doors[name] = Door(f"{API}{model}", 80, port, "http://localhost:{}/docs")
    return doors


def _only(kube: Kube, doors: dict[str, Door], asked: str) -> dict[str, Door]:
    """Return the one door that is asked for."""
    if asked == FIRST_API:
        service = f"{API}{model_of(kube)}"
        asked = next(name for name, door in doors.items() if door.service == service)
    if asked not in doors:
        raise UserError(f"There is no {asked} to forward; there are {', '.join(doors)}.")
    return {asked: doors[asked]}


def _add_ports(parser: argparse.ArgumentParser, doors: dict[str, Door]) -> None:
    for name, door in doors.items():
        parser.add_argument(
            f"--{name}-port", type=int, default=door.local, metavar="PORT", help=f"default {door.local}"
        )


def _option(name: str) -> str:
    """Return the attribute in which argparse keeps the port of a door."""
    return f"{name}_port".replace("-", "_")


def login_hint(kube: Kube, door: Door) -> str:
    """Say how to read a door's user name and password."""
    if not door.login:
        return "no login"
    values = '{{.data.username | base64decode}} {{.data.password | base64decode}}{{"\\n"}}'
    secret = kube.secret_name(door.login)
    return f"login: kubectl -n {kube.namespace} get secret {secret} -o go-template='{values}'"
