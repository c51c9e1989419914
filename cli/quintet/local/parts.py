"""The parts of the local platform: which services pipelines need, and the Python that each runs in."""

from collections.abc import Iterable

from quintet.local.state import State
from quintet.pipelines import Pipeline, Server, pipelines

SHARED = ("postgres", "s3")
"""The services that every pipeline stands on; one with a model stands on MLflow and its API too."""


def services_of(names: Iterable[str]) -> list[str]:
    """Return the services that pipelines need, in the order in which they are shown."""
    known = [pipelines()[name] for name in sorted(set(names))]
    sources = [pipeline.server.service for pipeline in known if pipeline.server]
    models = [f"inference-{pipeline.model}" for pipeline in known if pipeline.model]
    return list(dict.fromkeys([*SHARED, *(["mlflow"] if models else []), *sources, *models]))


def ports_of(services: Iterable[str]) -> list[str]:
    """Return the names of the ports of services: each its own, and the API of a model a second one."""
    return [
        port
        for name in services
        for port in ([name, f"{name}-admin"] if name.startswith("inference-") else [name])
    ]


def shown_services(state: State) -> list[str]:
    """Return the services of a state: those that have a port.

    A port may be of a service that this checkout does not have: an earlier one called it otherwise.
    """
    known = services_of(pipelines())
    return [name for name in state.ports() if name in known]


def environment_of(service: str) -> str | None:
    """Return the environment that a service runs in, if it is a Python program."""
    if service in ("postgres", "s3"):
        return None
    if service.startswith("inference-"):
        return "serving"
    server = servers().get(service)
    return server.program if server else service


def needed_environments(names: Iterable[str]) -> list[str]:
    """Return the environments that pipelines need, with the platform's own."""
    chosen = sorted(set(names))
    needed = ["airflow", *chosen, *filter(None, map(environment_of, services_of(chosen)))]
    return list(dict.fromkeys(needed))


def servers() -> dict[str, Server]:
    """Return the servers of our own that are, or simulate, a source: by the name of the service."""
    servers = [pipeline.server for pipeline in pipelines().values() if pipeline.server]
    return {server.service: server for server in servers}


def apis() -> dict[str, Pipeline]:
    """Return the pipelines whose models have an API: by the name of the service."""
    return {f"inference-{each.model}": each for each in pipelines().values() if each.model}
