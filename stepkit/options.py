"""Command-line options made from a step's signature.

A step declares each option once, as a keyword-only parameter:

    def load(settings: Settings, *, table: Annotated[str, Option("table to fill")], rows: int = 0) -> Loaded

which gives `--table` (or the environment's `TABLE`) and `--rows` (`ROWS`), typed and checked. Why this is not
Typer, which the command line has: docs/decisions/014-options-of-a-step.md.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from stepkit.errors import Code, InvalidInput


@dataclass(frozen=True)
class Option:
    """What the type of a parameter does not say: its meaning, its environment name, its range."""

    help: str
    env: str | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class _Parameter:
    name: str
    kind: Any
    option: Option
    default: Any

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def env(self) -> str:
        return self.option.env or self.name.upper()

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def presence(self) -> str:
        if self.required:
            return "required"
        return "optional" if self.default in (None, "") else f"default: {self.default}"

    def parse(self, text: str) -> Any:
        try:
            value = _convert(text, self.kind)
        except ValueError as error:
            raise _invalid(f"{self.flag} ({self.env}) got {text!r}: {error}") from None
        low, high = self.option.minimum, self.option.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            allowed = " and ".join(
                part
                for part in (
                    f"at least {low:g}" if low is not None else "",
                    f"at most {high:g}" if high is not None else "",
                )
                if part
            )
            raise _invalid(f"{self.flag} ({self.env}) got {text!r}: it must be {allowed}")
        return value


def _invalid(sentence: str) -> InvalidInput:
    return InvalidInput(sentence, Code.INVALID_SETTING)


_RUN_ID = _Parameter("run_id", str, Option("the run that rows and keys are named by"), default="")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _invalid(f"{message}; `{self.prog} --help` lists the options")


def parse_options(
    function: Callable[..., Any], arguments: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the values of a step's keyword-only parameters, and `run_id`, which every step has.

    An option on the command line wins over the environment, which wins over the default; an empty string
    counts as not given.

    Args:
        function: the step; see the module's text for how it declares options.
        arguments: the command line without the program's name.
        environment: usually `os.environ`.

    Raises:
        InvalidInput: an option is unknown, missing, of the wrong type or out of its range.
    """
    parameters = [_RUN_ID, *_parameters(function)]
    module = Path(inspect.getfile(function))
    parser = _Parser(
        prog=f"python -m {module.parent.name}.{module.stem}",
        description=inspect.getdoc(function),
        allow_abbrev=False,
    )
    for parameter in parameters:
        parser.add_argument(
            parameter.flag,
            dest=parameter.name,
            metavar=_metavar(parameter.kind),
            help=f"{parameter.option.help} [{parameter.env}; {parameter.presence}]".replace("%", "%%"),
        )
    given = vars(parser.parse_args(arguments))
    values = {}
    for parameter in parameters:
        text = given[parameter.name] or environment.get(parameter.env)
        if text:
            values[parameter.name] = parameter.parse(text)
        elif parameter.required:
            raise _invalid(f"{parameter.flag} ({parameter.env}) is required: {parameter.option.help}")
        else:
            values[parameter.name] = parameter.default
    return values


def _parameters(function: Callable[..., Any]) -> list[_Parameter]:
    hints = get_type_hints(function, include_extras=True)
    parameters = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        kind, option = hints[name], Option(help=name.replace("_", " "))
        if get_origin(kind) is Annotated:
            kind, option = get_args(kind)
        parameters.append(_Parameter(name, _without_none(kind), option, parameter.default))
    return parameters


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        return next(choice for choice in get_args(kind) if choice is not type(None))
    return kind


def _metavar(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    return "JSON" if _is_json(kind) else kind.__name__.upper()


def _is_json(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (dict, list)


def _convert(text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"choose one of {', '.join(get_args(kind))}")
        return text
    if _is_json(kind):
        return _json(text, get_origin(kind) or kind)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("it must be true or false")
        return text.lower() == "true"
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError("it must be a whole number") from None
    if kind is float:
        return _finite(text)
    if kind is datetime:
        return _moment(text)
    if kind is date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise ValueError("write a date, as 2026-01-31") from None
    return Path(text) if kind is Path else text


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("it must be a finite number")
    return number


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("write a time with its zone, as 2026-01-31T12:00:00Z")
    return found


def _json(text: str, kind: type) -> Any:
    wanted = "object" if kind is dict else "list"
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it must be a JSON {wanted} ({error})") from None
    if not isinstance(value, kind):
        raise ValueError(f"it must be a JSON {wanted}")
    return value
