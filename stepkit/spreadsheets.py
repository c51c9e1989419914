"""Cells of CSV files that people open: a spreadsheet takes some texts for formulas and runs them."""

from __future__ import annotations

import re
from typing import Annotated

from stepkit.options import Option

SpreadsheetSafe = Annotated[
    bool,
    Option(
        "put an apostrophe before a text that a spreadsheet would run; false keeps texts exact",
        env="SPREADSHEET_SAFE",
    ),
]
"""The option of a step that writes such a file."""
# After blanks and quotes, which spreadsheets skip; the wide forms are read as the narrow ones.
_FORMULA = re.compile(r"""[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]""")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def as_text(cell: str) -> str:
    """Returns a cell that a spreadsheet shows and does not run.

    A text that it would take for a formula gets an apostrophe in front, by which spreadsheets know a text.
    Numbers and all other texts stay as they are.
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell
