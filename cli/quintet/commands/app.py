"""The frame of the command line: options of all commands, and how a command is declared."""

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast, get_args

import typer
from typer.core import TyperGroup

from quintet.progress import UserError

if TYPE_CHECKING:
    from quintet.local.state import State
    from quintet.ops.kube import Kube

Function = TypeVar("Function", bound=Callable[..., Any])
Panel = Literal["On either platform", "Without a cluster", "On a cluster", "In the repository"]
WHOLE = 200
"""Characters that no first sentence of a command has: it is wrapped, not cut."""


class Grouped(TyperGroup):
    """A group of commands whose help lists them by what they work on."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a list of commands for each panel."""
        for panel in get_args(Panel):
            rows = [
                (name, found.get_short_help_str(WHOLE))
                for name, found in self.commands.items()
                if getattr(found, "rich_help_panel", None) == panel
            ]
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)


app = typer.Typer(
    name="quintet",
    cls=Grouped,
    help="Quintet: ML pipelines on Kubernetes.",
    epilog="`quintet COMMAND --help` says more, with an example.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
)


@dataclass(frozen=True)
class Target:
    """The platform that a command works on.

    Attributes:
        context: of the kubeconfig; None for the cluster of `make up`, else the current context.
        namespace: of the release.
        on: the kind of platform; None: see `State.is_meant`.
        folder: of the local platform; None for the one of the environment or of this checkout.
    """

    context: str | None
    namespace: str
    on: Literal["local", "cluster"] | None
    folder: str | None

    def kube(self) -> "Kube":
        """Return the platform on a cluster."""
        from quintet.ops.kube import Kube

        return Kube.of(self.namespace, self.context)

    def state(self) -> "State":
        """Return the folder of the local platform."""
        from quintet.local.state import State

        return State.of(self.folder)

    def is_local(self) -> bool:
        """Return whether the local platform is meant, and tell the user which one is."""
        local = self.means_local()
        print(f"platform {f'local, {self.state().folder}' if local else 'on the cluster'}", flush=True)
        return local

    def means_local(self) -> bool:
        """Return whether the local platform is meant."""
        return self.on == "local" or (self.on is None and self.state().is_meant())


@app.callback()
def _all(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Option(
            "--context", help="of your kubeconfig (default: the cluster of `up`, else the current context)"
        ),
    ] = None,
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="of the release")] = "quintet",
    on: Annotated[
        Literal["local", "cluster"] | None,
        typer.Option(
            help="where the commands of either platform work (default: local while its services run, and"
            " outside of a checkout; else the cluster)"
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="folder of the local platform (default: $QUINTET_STATE, else .quintet)"
        ),
    ] = None,
) -> None:
    context.obj = Target(name, namespace, on, state)


Json = Annotated[
    bool, typer.Option("--json", help="print one JSON document; what is for people goes to stderr")
]


def answer(work: Callable[[], Any], *, as_json: bool) -> None:
    """Do a command's work, which prints for people and returns what `--json` says instead.

    Args:
        work: of the command.
        as_json: whether its document is all that goes to stdout; a failure may have one too.
    """
    if not as_json:
        work()
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            document = work()
    except UserError as error:
        if error.document is not None:
            _print_json(error.document)
        raise
    _print_json(document)


def _print_json(document: Any) -> None:
    # DEL is the one control character that json leaves as it is and the guard of the terminal would escape.
    print(json.dumps(document, indent=2).replace("\x7f", r"\u007f"))


def command(
    panel: Panel, example: str, *, name: str | None = None, among: typer.Typer = app, **settings: Any
) -> Callable[[Function], Function]:
    """Declare a command: the function's parameters are its options, its docstring is its help.

    Args:
        panel: where the list of commands has it.
        example: of its use, without the program's name; it ends the command's help.
        name: default: the function's, with hyphens.
        among: the group of commands that it is one of.
        settings: of Typer's own.
    """
    declared = among.command(name, rich_help_panel=panel, epilog=f"Example: quintet {example}", **settings)
    return declared if panel != "In the repository" else lambda function: declared(in_a_checkout(function))


def in_a_checkout(function: Function) -> Function:
    """Return a command that refuses to run where the platform's files are an installed package."""

    @wraps(function)
    def checked(*values: Any, **options: Any) -> Any:
        from quintet.paths import is_checkout
        from quintet.progress import UserError

        if not is_checkout():
            raise UserError("This command needs a checkout of Quintet: run it there, as ./quintet.")
        return function(*values, **options)

    return cast(Function, checked)


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """Split texts of the form ``name=value``.

    Raises:
        BadParameter: when one has no `=`.
    """
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter(f"{text!r} is not a NAME=VALUE.", param_hint=option)
    return dict(text.split("=", 1) for text in texts)


def dags() -> list[str]:
    """Return the ids of the pipelines' DAGs, for a shell to complete."""
    from quintet.pipelines import pipelines

    return [dag for pipeline in pipelines().values() for dag in pipeline.dags]


PASSED_ON = {"allow_interspersed_args": False, "ignore_unknown_options": True}
"""Context settings of a command that hands what follows its own arguments to another program."""
