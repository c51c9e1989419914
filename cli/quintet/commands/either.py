"""Commands that work on the platform of a cluster and on the local one."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from quintet.commands.app import Target, command, dags, pairs

PANEL: Final = "On either platform"


@command(PANEL, "status")
def status(context: typer.Context) -> None:
    """Show services, DAGs, champion, and what to do about what is wrong."""
    target: Target = context.obj
    if target.is_local():
        from quintet.local import commands

        commands.status(target.state())
    else:
        from quintet.ops import status

        status.main(target.kube())


@command(PANEL, "run forest_training_pipeline --param n_estimators=50")
def run(
    context: typer.Context,
    dag: Annotated[
        str, typer.Argument(metavar="DAG", help="its id; `quintet status` lists them", autocompletion=dags)
    ],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="a parameter of the DAG; may be repeated")
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="of the run, ISO 8601, in UTC unless it says otherwise (default: now)"
        ),
    ] = None,
) -> None:
    """Run a DAG and follow it to its end."""
    target: Target = context.obj
    params = {name: _value(text) for name, text in pairs(param or [], "--param").items()}
    time = _moment(date) if date else None
    if target.is_local():
        from quintet.local import commands

        commands.run(target.state(), dag, params, time)
    else:
        from quintet.ops import run

        run.main(target.kube(), dag, params, time)


@command(PANEL, "--on local run-all --no-example")
def run_all(
    context: typer.Context,
    no_example: Annotated[
        bool, typer.Option("--no-example", help="drop no example workbook into the landing zone first")
    ] = False,
) -> None:
    """Run every DAG once, with a table."""
    from quintet.ops import run_all

    target: Target = context.obj
    if target.is_local():
        run_all.on_machine(target.state(), example=not no_example)
    else:
        run_all.main(target.kube(), example=not no_example)


@command(PANEL, "land prices.xlsx")
def land(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="what a pipeline takes in, such as a workbook")
    ],
) -> None:
    """Drop files into the landing zone of the pipeline that has one."""
    from quintet.ops import land

    target: Target = context.obj
    if target.is_local():
        land.on_machine(target.state(), files)
    else:
        land.main(target.kube(), files)


@command(PANEL, "why forest_training_pipeline")
def why(
    context: typer.Context,
    dag: Annotated[
        str,
        typer.Argument(
            metavar="DAG",
            help="a DAG, or a run's id (default: the latest run that failed or stands still)",
            autocompletion=dags,
            show_default=False,
        ),
    ] = "",
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="the id of a run of this DAG", show_default=False)
    ] = "",
) -> None:
    """Say why a run failed or stands still, and what to do."""
    target: Target = context.obj
    words = [word for word in (dag, run) if word]
    if target.is_local():
        from quintet.local import commands

        commands.why(target.state(), words)
    else:
        from quintet.ops import why

        why.main(target.kube(), words)


def _moment(text: str) -> datetime:
    """Parse a time, ISO 8601; one without a zone is in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time: write it as 2026-01-31T12:00:00Z.", param_hint="--date"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _value(text: str) -> Any:
    """Parse the value of a parameter; one that is JSON keeps its type."""
    try:
        return json.loads(text)
    except ValueError:
        return text
