"""Cells of CSV files that people open: a spreadsheet takes some texts for formulas and runs them."""

from __future__ import annotations

import re

# After blanks and quotes, which spreadsheets skip; the wide forms are read as the narrow ones.
_FORMULA = re.compile(r"""[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]""")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def as_text(cell: str) -> str:
    """Gives a cell that a spreadsheet shows and does not run.

    A text that it would take for a formula gets an apostrophe in front, by which spreadsheets know a text.
    Numbers and all other texts stay as they are.
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell
