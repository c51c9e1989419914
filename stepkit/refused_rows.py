"""Rows that their schema refuses: set aside with their reasons while the others go in, up to a share."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Annotated

from stepkit.errors import Code, InvalidInput, InvalidRow
from stepkit.options import Option

MaxRefusedShare = Annotated[
    float, Option("share of refused rows above which all are refused", minimum=0, maximum=1)
]
"""The option `max_refused_share` of a step."""

REASONS_KEPT = 200
"""Sentences that are kept; their number is kept in full."""
ALWAYS_TAKEN = 1
"""Refused rows that refuse nothing else, however few come with them: one of two is a half."""
_logger = logging.getLogger(__name__)


@dataclass
class RefusedRows:
    """What was refused of rows that are read one after the other.

    Attributes:
        read: all rows, refused ones among them.
        refused: how many were.
        reasons: the first ones, each with row and column.
    """

    read: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)
    _first: tuple[int, str] | None = None

    def refuse(self, row: int, error: InvalidRow, known_by: str = "") -> None:
        """Sets a row aside.

        Args:
            row: its number, from 1.
            error: what its schema says.
            known_by: what a person finds it by, where its number is not enough, such as `with id 7`.
        """
        self.refused += 1
        self._first = self._first or (row, error.column)
        if len(self.reasons) < REASONS_KEPT:
            self.reasons.append(f"row {row} {known_by}: {error}" if known_by else f"row {row} {error}")

    def report(self, file: str) -> bytes:
        """Returns what was refused as a document for people."""
        counts = {"file": file, "rows_read": self.read, "rows_refused": self.refused}
        return json.dumps({**counts, "reasons": self.reasons}, ensure_ascii=False, indent=1).encode()

    def check(self, file: str, max_share: float, always_taken: int = ALWAYS_TAKEN) -> None:
        """Warns of what was refused, and refuses the whole where that is too much.

        Args:
            file: what the rows were read from.
            max_share: of refused rows among all.
            always_taken: refused rows that refuse nothing else, if others are valid.

        Raises:
            InvalidInput: no row is valid, or more than that are not.
        """
        if not self.refused or self._first is None:
            return
        found = f"{file}: {self.refused} of {self.read} rows are refused"
        if self.refused < self.read and self.refused <= max(always_taken, max_share * self.read):
            _logger.warning("%s; the first: %s", found, self.reasons[0])
            return
        row, column = self._first
        much = "all" if self.refused == self.read else f"more than --max-refused-share {max_share:g}"
        raise InvalidInput(
            f"{found}, {much}; the first: {self.reasons[0]}",
            Code.INVALID_ROW,
            file=file,
            row=row,
            column=column,
        )
