"""What the service says to requests that it does not answer, and the parameters that it takes."""

import re
from collections.abc import Collection, Sequence

from binance.bars import SYMBOL
from binance.intervals import INTERVALS

SYMBOLS = "^[A-Z0-9-_.]{1,20}$"
NUMBERS = "^[0-9]{1,20}$"
RESTRICTED = (
    "Service unavailable from a restricted location according to 'b. Eligibility' in"
    " https://www.binance.com/en/terms. Please contact customer service if you believe you received this"
    " message in error."
)
_STREAMS = "Please use WebSocket Streams for live updates to avoid"


class Refused(Exception):
    """An answer with a code and a message in place of data."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def too_much(limit: int) -> Refused:
    """Returns the refusal of an address that has used up its minute."""
    return Refused(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
        f" {_STREAMS} polling the API.",
        429,
    )


def banned(until: int) -> Refused:
    """Returns the refusal of an address that is banned until a moment, in milliseconds since 1970."""
    return Refused(-1003, f"Way too much request weight used; IP banned until {until}. {_STREAMS} bans.", 418)


def parameters(given: Sequence[tuple[str, str]], known: Collection[str]) -> dict[str, str]:
    """Returns the parameters of a query, each once.

    Raises:
        Refused: one is given twice, is empty, or is not one of those known.
    """
    values = dict(given)
    if len(values) < len(given):
        raise Refused(-1101, "Duplicate values for a parameter detected.")
    unknown = values.keys() - set(known)
    if unknown:
        expected = len(values) - len(unknown)
        raise Refused(-1101, f"Too many parameters; expected '{expected}' and received '{len(values)}'.")
    for name, value in values.items():
        if not value:
            raise Refused(-1105, f"Parameter '{name}' was empty.")
    return values


def mandatory(values: dict[str, str], name: str) -> str:
    """Returns a parameter that must be there."""
    if name not in values:
        raise Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return values[name]


def symbol(text: str) -> str:
    """Returns a symbol that is traded."""
    if not re.fullmatch(SYMBOLS[1:-1], text):
        raise illegal("symbol", SYMBOLS)
    if text != SYMBOL:
        raise Refused(-1121, "Invalid symbol.")
    return text


def interval(text: str) -> str:
    """Returns an interval that there is."""
    if text not in INTERVALS:
        raise Refused(-1120, "Invalid interval.")
    return text


def number(values: dict[str, str], name: str) -> int | None:
    """Returns a whole number, if it was sent."""
    if name not in values:
        return None
    if not re.fullmatch(NUMBERS[1:-1], values[name]):
        raise illegal(name, NUMBERS)
    return int(values[name])


def illegal(name: str, legal: str) -> Refused:
    """Returns the refusal of characters that a parameter cannot have."""
    return Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def invalid(name: str) -> Refused:
    """Returns the refusal of a value that a parameter cannot have."""
    return Refused(-1130, f"Data sent for parameter '{name}' is not valid.")
