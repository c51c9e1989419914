"""``quintet ui``: the platform's ports on this machine, and how to log in."""

import contextlib
import threading
import webbrowser
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from quintet.ops.installed import API, model_of, models_of
from quintet.ops.kube import Kube
from quintet.pipelines import models
from quintet.progress import UserError

FIRST_API = "api"
"""What a person calls the API of the first model."""
FIRST_PORT = 8000
"""Of this machine, to the API of the first model; that of the next one has the next."""


@dataclass(frozen=True)
class PortForward:
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


PORT_FORWARDS = {
    "airflow": PortForward("airflow-api-server", 8080, 8080, "http://localhost:{}", "airflow-admin"),
    "mlflow": PortForward("mlflow", 5000, 5000, "http://localhost:{}", "mlflow-admin"),
    "minio": PortForward("minio", 9001, 9001, "http://localhost:{}", "minio-root"),
    "s3": PortForward("minio", 9000, 9000, "http://localhost:{}", "minio-root"),
    "postgres": PortForward(
        "postgres", 5432, 5432, "postgresql://localhost:{}/quintet", "postgres-superuser"
    ),
}
"""Those of the platform itself; the API of each model has one too."""


def main(kube: Kube, only: str, ports: Mapping[str, int]) -> None:
    """Forward ports until interrupted.

    Args:
        kube: the platform.
        only: the name of the one to forward and open; "" forwards all.
        ports: of this machine, by the names of forwards; the others have theirs.

    Raises:
        UserError: when a port is taken, or there is nothing of a name that is given.
    """
    forwards = doors_of(kube)
    refuse_unknown(ports, forwards)
    if only:
        forwards = _only(kube, forwards, only)
    with contextlib.ExitStack() as stack:
        for name, forward in forwards.items():
            wanted = ports.get(name, forward.local)
            port = stack.enter_context(kube.forward(forward.service, forward.port, wanted))
            print(f"  {name:9} {forward.url.format(port):38} {login_hint(kube, forward)}", flush=True)
        print("Ctrl-C ends.", flush=True)
        if only:
            webbrowser.open(forward.url.format(port))
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def doors_of(kube: Kube) -> dict[str, PortForward]:
    """Return the forwards of a platform, with those of the models that it serves."""
    served = models_of(kube)
    known = models()
    forwards = _doors([*known, *(model for model in served if model not in known)])
    absent = {f"{API}{model}" for model in known} - {f"{API}{model}" for model in served}
    return {name: forward for name, forward in forwards.items() if forward.service not in absent}


def _doors(of: Iterable[str]) -> dict[str, PortForward]:
    """Return the forwards of a platform that serves some models."""
    forwards = dict(PORT_FORWARDS)
    for port, model in enumerate(of, FIRST_PORT):
        name = f"{API}{model}" if model in (*PORT_FORWARDS, FIRST_API) else model
        forwards[name] = PortForward(f"{API}{model}", 80, port, "http://localhost:{}/docs")
    return forwards


def _only(kube: Kube, forwards: dict[str, PortForward], asked: str) -> dict[str, PortForward]:
    """Return the one forward that is asked for."""
    if asked == FIRST_API:
        service = f"{API}{model_of(kube)}"
        asked = next(name for name, forward in forwards.items() if forward.service == service)
    refuse_unknown([asked], forwards)
    return {asked: forwards[asked]}


def refuse_unknown(asked: Iterable[str], forwards: Collection[str]) -> None:
    """Check that there is a forward of each name.

    Raises:
        UserError: when there is not; says which there are.
    """
    for name in asked:
        if name not in forwards:
            raise UserError(f"There is no {name} to forward; there are {', '.join(forwards)}.")


def login_hint(kube: Kube, forward: PortForward) -> str:
    """Return how to read the user name and password of what is forwarded."""
    if not forward.login:
        return "no login"
    values = '{{.data.username | base64decode}} {{.data.password | base64decode}}{{"\\n"}}'
    secret = kube.secret_name(forward.login)
    return f"login: kubectl -n {kube.namespace} get secret {secret} -o go-template='{values}'"
