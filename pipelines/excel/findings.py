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


@dataclass
class Findings:
    """The reading of one workbook.

    Attributes:
        layout: None for a file that was refused as a whole.
        period: the days of the layout's `period` columns.
        rows: the valid prices, in the order of the layout's `columns`.
        rows_read: cells or rows that could hold a price.
        rows_missing: of those, the ones that say that there was none.
        rows_refused: of those, the ones that hold something else.
        reasons: why, a sentence each, with sheet, row and column; the first `MOST_REFUSALS`.
        refused: why the file was refused as a whole.
    """

    layout: Layout | None = None
    period: tuple[date, ...] = ()
    rows: list[Sequence[Any]] = field(default_factory=list)
    rows_read: int = 0
    rows_missing: int = 0
    rows_refused: int = 0
    reasons: list[str] = field(default_factory=list)
    refused: str | None = None

    def refuse_row(self, reason: str) -> None:
        """Counts a row that is no price, and keeps why."""
        self.rows_refused += 1
        if len(self.reasons) < MOST_REFUSALS:
            self.reasons.append(reason)

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
