"""What one run took from the exchange: a document in S3, the rows as they were sent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from bitcoin.schema import LENGTHS, Bar, parse
from stepkit.errors import Code, InvalidInput, InvalidRow
from stepkit.refused_rows import RefusedRows

MAX_REFUSED_SHARE = 0.1


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

    def bars(self, source: str, max_refused_share: float) -> tuple[list[Bar], RefusedRows]:
        """Returns the bars of the rows, and what is refused: no bar, out of order, or not closed when asked.

        Args:
            source: where the document is, to name in a refusal.
            max_refused_share: see `RefusedRows.check`.

        Raises:
            InvalidInput: too many rows are refused.
        """
        bars: list[Bar] = []
        refused = RefusedRows(read=len(self.rows))
        for number, row in enumerate(self.rows, 1):
            try:
                bar = parse(row, self.interval)
                if bar.close_time >= self.server_time:
                    raise InvalidRow(f"{bar.close_time} was still to come", "close_time")
                if bars and bar.open_time <= bars[-1].open_time:
                    raise InvalidRow(
                        f"{bar.open_time} does not follow {bars[-1].open_time}: bars must come in the order"
                        " of their times",
                        "open_time",
                    )
            except InvalidRow as error:
                refused.refuse(number, error)
            else:
                bars.append(bar)
        refused.check(source, max_refused_share)
        return bars, refused


def read(body: bytes, source: str) -> Capture:
    """Reads a document.

    Raises:
        InvalidInput: it is invalid.
    """
    try:
        capture = Capture(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{source} is not a capture of bars: {error}; extract again", Code.UNREADABLE_INPUT, file=source
        ) from None
    if capture.interval not in LENGTHS or not isinstance(capture.rows, list):
        raise InvalidInput(
            f"{source} is not a capture of bars: its interval is {capture.interval!r}",
            Code.SCHEMA_CHANGED,
            file=source,
            column="interval",
        )
    return capture
