"""What was found in a workbook: its prices, and what was wrong with the rest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

from excel.schema import LAYOUTS, Layout

MOST_REFUSALS = 200
"""Sentences that are kept of a file; their number is kept in full."""
MANY_BLANKS = 0.1
"""Share of the rows from which empty cells are worth a sentence."""


@dataclass
class Findings:
    """The reading of one workbook.

    Attributes:
        layout: None for a file that was refused as a whole.
        period: the days of the layout's `period` columns.
        rows: the valid prices, in the order of the layout's `columns`.
        rows_read: cells or rows that could hold a price.
        rows_missing: of those, the ones that say that there was none.
        rows_blank: of those, the ones that say so by nothing but an empty cell.
        rows_refused: of those that were read, the ones that hold something else.
        reasons: why, a sentence each, with sheet, row and column; the first `MOST_REFUSALS`.
        refused: why the file was refused as a whole.
    """

    layout: Layout | None = None
    period: tuple[date, ...] = ()
    rows: list[Sequence[Any]] = field(default_factory=list)
    rows_read: int = 0
    rows_missing: int = 0
    rows_blank: int = 0
    rows_refused: int = 0
    reasons: list[str] = field(default_factory=list)
    refused: str | None = None

    def miss_row(self, blank: bool) -> None:
        """Counts a row that says that there was no price."""
        self.rows_missing += 1
        self.rows_blank += blank

    def refuse_row(self, reason: str) -> None:
        """Counts a row that is not a price, and keeps why."""
        self.rows_refused += 1
        if len(self.reasons) < MOST_REFUSALS:
            self.reasons.append(reason)

    def doubts(self) -> list[str]:
        """Returns what a person should look at although nothing is refused for it, a sentence each."""
        if self.rows_blank <= MANY_BLANKS * self.rows_read:
            return []
        return [
            f"{self.rows_blank} of its {self.rows_read} prices are empty cells, not `n.d.`, and count as"
            " missing: if they were lost on the way, drop the file again with them"
        ]

    def to_json(self) -> str:
        """Writes the findings down, to be read by `from_json`."""
        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        fields["layout"] = self.layout.name if self.layout else None
        fields["period"] = [day.isoformat() for day in self.period]
        return json.dumps(fields, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads what `to_json` wrote."""
        fields = json.loads(text)
        fields["layout"] = LAYOUTS.get(fields["layout"])
        fields["period"] = tuple(map(date.fromisoformat, fields["period"]))
        return cls(**fields)
