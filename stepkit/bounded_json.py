"""JSON of a source, read with bounds: small bytes can stand for a tree that fills the memory."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MOST_DEPTH = 16
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(body: bytes, most_values: int) -> Any:
    """Returns what a document holds.

    Args:
        body: in UTF-8.
        most_values: how many values, keys aside, the document may hold; commas within texts count too.

    Raises:
        ValueError: it is not JSON, or holds more or deeper values, a number that is not finite, or half a
            character.
    """
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > most_values:
        raise ValueError(f"it holds {values} values, more than {most_values}")
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_float=_finite, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep() from None
    _check_depth(document)
    if _HALF_CHARACTER.search(body):
        _check_characters(document)
    return document


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _check_depth(document: Any) -> None:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(MOST_DEPTH):
        if not level:
            return
        level = [
            value
            for holder in level
            for value in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(value, dict | list)
        ]
    if level:
        raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"it is deeper than {MOST_DEPTH} levels")


def _check_characters(document: Any) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text in it holds half a character (a lone surrogate)") from None
