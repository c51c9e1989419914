"""Commands that work on the platform of a cluster and on the local one."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from quintet.commands.app import PASSED_ON, Json, Target, answer, command, dags, pairs

PANEL: Final = "On either platform"


@command(PANEL, "status --json")
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show services, DAGs, champion, and what to do about what is wrong."""
    target: Target = context.obj

    def work() -> Any:
        if target.is_local():
            from quintet.local import commands

            return commands.status(target.state())
        from quintet.ops import status

        return status.main(target.kube())

    answer(work, as_json=as_json)


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
    as_json: Json = False,
) -> None:
    """Run a DAG and follow it to its end."""
    target: Target = context.obj
    params = {name: _value(text) for name, text in pairs(param or [], "--param").items()}
    time = _moment(date) if date else None

    def work() -> Any:
        if target.is_local():
            from quintet.local import commands

            return commands.run(target.state(), dag, params, time)
        from quintet.ops import run

        return run.main(target.kube(), dag, params, time)

    answer(work, as_json=as_json)


@command(PANEL, "--on local run-all --no-example")
def run_all(
    context: typer.Context,
    no_example: Annotated[
        bool, typer.Option("--no-example", help="drop no example workbook into the landing zone first")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run every DAG once, with a table."""
    target: Target = context.obj

    def work() -> Any:
        from quintet.ops import run_all

        if target.is_local():
            return run_all.on_machine(target.state(), example=not no_example)
        return run_all.main(target.kube(), example=not no_example)

    answer(work, as_json=as_json)


@command(PANEL, "step --like RUN forest train --algorithm svc", context_settings=PASSED_ON)
def step(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="its name")],
    name: Annotated[str, typer.Argument(metavar="STEP", help="such as train")],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="OPTION", help="of the step; --help lists them")
    ] = None,
    like: Annotated[
        str,
        typer.Option(
            metavar="RUN", help="id of a run: take options and environment of its task of this step"
        ),
    ] = "",
    watch: Annotated[
        bool, typer.Option("--watch", help="run it again whenever a file of its code is saved")
    ] = False,
) -> None:
    """Run one step: in this terminal, where breakpoints work, or in its pod."""
    from quintet.by_hand import find

    target: Target = context.obj
    found = find(pipeline, name)
    if target.is_local():
        from quintet.local import step as local

        local.main(target.state(), found, options or [], like, watch=watch)
    else:
        from quintet.ops import step

        step.main(target.kube(), found, options or [], like, watch=watch)


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
    as_json: Json = False,
) -> None:
    """Say why a run failed or stands still, and what to do."""
    target: Target = context.obj
    words = [word for word in (dag, run) if word]

    def work() -> Any:
        if target.is_local():
            from quintet.local import commands

            return commands.why(target.state(), words)
        from quintet.ops import why

        return why.main(target.kube(), words)

    answer(work, as_json=as_json)


@command(PANEL, "predict crime")
def predict(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="default: the first that `quintet status` names", show_default=False
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Send the example of a pipeline to the API of its model; on a cluster, from inside it."""
    target: Target = context.obj

    def work() -> Any:
        if target.is_local():
            from quintet.local import commands

            return commands.predict(target.state(), model)
        from quintet.ops import predict

        return predict.main(target.kube(), model)

    answer(work, as_json=as_json)


@command(PANEL, "models --json")
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the registered models, and the versions of each with champion, digest, time and metrics."""
    target: Target = context.obj

    def work() -> Any:
        from quintet.ops import models

        return models.on_machine(target.state()) if target.is_local() else models.main(target.kube())

    answer(work, as_json=as_json)


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
