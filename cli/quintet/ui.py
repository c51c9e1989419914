"""``quintet ui``: the platform's ports on this machine, and how to log in."""

import argparse
import contextlib
import threading
import webbrowser
from dataclasses import dataclass

from quintet.kube import Kube


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
    "api": Door("inference-forest", 80, 8000, "http://localhost:{}/docs"),
    "penguins": Door("inference-penguins", 80, 8989, "http://localhost:{}/docs"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.add_argument(
        "only", nargs="?", choices=DOORS, help="forward this one and open it (default: forward all)"
    )
    add_ports(parser, *DOORS)


def add_ports(parser: argparse.ArgumentParser, *names: str) -> None:
    """Describe an option for the port of this machine that leads through each of some doors."""
    for name in names:
        local = DOORS[name].local
        parser.add_argument(
            f"--{name}-port", type=int, default=local, metavar="PORT", help=f"default {local}"
        )


def main(kube: Kube, arguments: argparse.Namespace) -> None:
    """Forward ports until interrupted."""
    doors = {arguments.only: DOORS[arguments.only]} if arguments.only else DOORS
    with contextlib.ExitStack() as stack:
        for name, door in doors.items():
            port = stack.enter_context(
                kube.forward(door.service, door.port, getattr(arguments, f"{name}_port"))
            )
            print(f"  {name:9} {door.url.format(port):38} {login_hint(kube, door)}", flush=True)
        print("Ctrl-C ends.", flush=True)
        if arguments.only:
            webbrowser.open(doors[arguments.only].url.format(port))
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def login_hint(kube: Kube, door: Door) -> str:
    """Say how to read a door's user name and password."""
    if not door.login:
        return "no login"
    values = '{{.data.username | base64decode}} {{.data.password | base64decode}}{{"\\n"}}'
    secret = kube.secret_name(door.login)
    return f"login: kubectl -n {kube.namespace} get secret {secret} -o go-template='{values}'"
