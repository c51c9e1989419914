"""Commands that work on the platform of a cluster."""

from pathlib import Path
from typing import Annotated, Final

import typer

from quintet.commands.app import PASSED_ON, command, pairs

PANEL: Final = "On a cluster"
Service = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE",
        help="a Deployment or StatefulSet, or a family such as airflow (default: all)",
        show_default=False,
    ),
]
Ports = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=PORT", help="another port of this machine, as airflow=8081; may be repeated"),
]


Own = Annotated[
    str,
    typer.Argument(
        metavar="PIPELINE", help="its name (default: the only one of the workspace)", show_default=False
    ),
]


@command(PANEL, "deploy weather")
def deploy(
    context: typer.Context,
    pipeline: Own = "",
    registry: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="host and path that its images are pushed to (default: the platform's)",
            show_default=False,
        ),
    ] = "",
    values: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="more values of charts/pipeline; may be repeated"),
    ] = None,
) -> None:
    """Install or upgrade this folder's pipeline as a release of its own."""
    from quintet.ops import deploy

    deploy.main(context.obj.kube(), pipeline, registry, values or [])


@command(PANEL, "undeploy weather")
def undeploy(
    context: typer.Context,
    pipeline: Own = "",
    with_data: Annotated[
        bool,
        typer.Option("--with-data", help="its tables, objects, runs, experiment and model too, for good"),
    ] = False,
) -> None:
    """Take a pipeline's own release away; its data stay."""
    from quintet.ops import deploy

    deploy.undeploy(context.obj.kube(), pipeline, with_data=with_data)


@command(PANEL, "logs mlflow")
def logs(context: typer.Context, service: Service = "") -> None:
    """Follow the logs of a service."""
    from quintet.ops import services

    services.logs(context.obj.kube(), service)


@command(PANEL, "restart mlflow")
def restart(context: typer.Context, service: Service = "") -> None:
    """Restart a service."""
    from quintet.ops import services

    services.restart(context.obj.kube(), service)


@command(PANEL, "rotate postgres-airflow")
def rotate(
    context: typer.Context,
    secret: Annotated[
        str,
        typer.Argument(metavar="SECRET", help="such as postgres-airflow, or all", show_default=False),
    ] = "",
    wait: Annotated[
        float,
        typer.Option(
            metavar="MINUTES",
            help="for steps that began with a former key of S3, before it is taken away",
            show_default=True,
        ),
    ] = 60,
) -> None:
    """Change a password, key or token everywhere."""
    from quintet.ops import rotate

    rotate.main(context.obj.kube(), secret, wait)


@command(PANEL, "retention --dry-run")
def retention(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="delete nothing, and say what would go")] = False,
) -> None:
    """Delete what is older than the values say."""
    from quintet.ops import retention

    retention.main(context.obj.kube(), dry_run=dry_run)


@command(PANEL, "ui --port airflow=8081")
def ui(
    context: typer.Context,
    only: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="forward this one and open it: airflow, mlflow, minio, s3, postgres, a model, or api for the"
            " first model (default: forward all)",
            show_default=False,
        ),
    ] = "",
    port: Ports = None,
) -> None:
    """Forward the platform's ports to this machine."""
    from quintet.ops import ui

    ports = _ports(port)
    ui.main(context.obj.kube(), only, ports)


@command(PANEL, "env --pipeline crime")
def env(
    context: typer.Context,
    port: Ports = None,
    pipeline: Annotated[
        str, typer.Option(metavar="NAME", help="whose rights (default: the one that `up` shows)")
    ] = "",
    promotion: Annotated[
        bool,
        typer.Option(
            "--promotion", help="with the rights of the step that promotes, to go back to an older version"
        ),
    ] = False,
) -> None:
    """Print exports for the tools on this machine; of the local platform with --on local."""
    if context.obj.means_local():
        from quintet.local import env as local

        local.main(context.obj.state(), pipeline, promotion=promotion)
        return
    from quintet.ops import env

    ports = _ports(port)
    env.main(context.obj.kube(), ports, pipeline, promotion=promotion)


@command(PANEL, "airflow-cli dags list", context_settings=PASSED_ON)
def airflow_cli(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="what to ask Airflow's own command line")
    ] = None,
) -> None:
    """Run Airflow's own command line."""
    from quintet.ops import services

    services.airflow_cli(context.obj.kube(), words or [])


def _ports(texts: list[str] | None) -> dict[str, int]:
    found = pairs(texts or [], "--port")
    for name, port in found.items():
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise typer.BadParameter(f"{name}={port}: a port is a number up to 65535.", param_hint="--port")
    return {name: int(port) for name, port in found.items()}
