"""What one run took from the exchange: a document in S3, the rows as they were sent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from bitcoin.schema import LENGTHS, Bar, check_order, parse
from stepkit.outcomes import Code, InvalidRowError, RefusedInput


@dataclass(frozen=True)
class Capture:
    """Closed bars of one symbol and interval, in the order of their times."""

    symbol: str
    interval: str
    server_time: int
    """What the exchange's clock showed before the bars were asked for, in milliseconds since 1970."""
    rows: list[Any]

    def to_json(self) -> bytes:
        """Writes the document that `read` reads."""
        return json.dumps(asdict(self)).encode()

    def bars(self, source: str) -> list[Bar]:
        """Gives the bars of the rows.

        Args:
            source: where the document is, to name in a refusal.

        Raises:
            RefusedInput: a row is no bar, is out of order, or was not closed when it was asked for.
        """
        bars = []
        for number, row in enumerate(self.rows, 1):
            try:
                bar = parse(row, self.interval)
                if bar.close_time >= self.server_time:
                    raise InvalidRowError(f"{bar.close_time} was still to come", "close_time")
            except InvalidRowError as error:
                raise error.at(source, number) from None
            bars.append(bar)
        check_order(bars, source)
        return bars


def read(body: bytes, source: str) -> Capture:
    """Reads a document.

    Raises:
        RefusedInput: it is none.
    """
    try:
        capture = Capture(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise RefusedInput(
            f"{source} is no capture of bars: {error}; extract again", Code.UNREADABLE_INPUT, file=source
        ) from None
    if capture.interval not in LENGTHS or not isinstance(capture.rows, list):
        raise RefusedInput(
            f"{source} is no capture of bars: its interval is {capture.interval!r}",
            Code.SCHEMA_CHANGED,
            file=source,
            column="interval",
        )
    return capture
