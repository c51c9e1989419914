"""Commands of the local platform."""

from typing import Annotated, Final

import typer

from quintet.commands.app import PASSED_ON, command

PANEL: Final = "Without a cluster"


@command(PANEL, "up")
def up(context: typer.Context) -> None:
    """Start the local services; needs no cluster."""
    from quintet.local import commands

    commands.up(context.obj.state())


@command(PANEL, "down")
def down(context: typer.Context) -> None:
    """Stop the local services; their data stay."""
    from quintet.local import commands

    commands.down(context.obj.state())


@command(PANEL, "demo --exit")
def demo(
    context: typer.Context,
    end: Annotated[bool, typer.Option("--exit", help="end at once instead of serving until Ctrl-C")] = False,
) -> None:
    """From nothing to predictions, without a cluster."""
    from quintet.local import demo

    demo.main(context.obj.folder, stay=not end)


@command(PANEL, "test weather -k load", name="test", context_settings=PASSED_ON)
def run_tests(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORD", help="pipelines (default: all), then options of pytest"),
    ] = None,
) -> None:
    """Run the tests of pipelines, with real Postgres and S3."""
    from quintet.testing import command

    command.main(words or [])
