"""Rows that their schema refuses: set aside with their reasons while the others go in, up to a share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from stepkit.outcomes import Code, InvalidRowError, RefusedInput

REASONS_KEPT = 200
"""Sentences that are kept; their number is kept in full."""
ALWAYS_TAKEN = 1
"""Refused rows that refuse nothing else, however few come with them: one of two is a half."""


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

    def refuse(self, row: int, error: InvalidRowError) -> None:
        """Sets a row aside.

        Args:
            row: its number, from 1.
            error: what its schema says.
        """
        self.refused += 1
        self._first = self._first or (row, error.column)
        if len(self.reasons) < REASONS_KEPT:
            self.reasons.append(f"row {row} {error}")

    def report(self, file: str) -> bytes:
        """Returns what was refused as a document for people."""
        counts = {"file": file, "rows_read": self.read, "rows_refused": self.refused}
        return json.dumps({**counts, "reasons": self.reasons}, ensure_ascii=False, indent=1).encode()

    def check(self, file: str, max_share: float) -> None:
        """Refuses the whole where too much of it was refused.

        Args:
            file: what the rows were read from.
            max_share: of refused rows among all; one is always taken, if others are valid.

        Raises:
            RefusedInput: no row is valid, or more than that are not.
        """
        if not self.refused or self._first is None:
            return
        if self.refused < self.read and self.refused <= max(ALWAYS_TAKEN, max_share * self.read):
            return
        row, column = self._first
        much = "all" if self.refused == self.read else f"more than {max_share:.0%}"
        raise RefusedInput(
            f"{file}: {self.refused} of {self.read} rows are refused, {much}; the first: {self.reasons[0]}",
            Code.INVALID_ROW,
            file=file,
            row=row,
            column=column,
        )
