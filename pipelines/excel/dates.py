"""The days that a workbook's title names, in Spanish."""

from __future__ import annotations

import re
from datetime import date, timedelta

MONTHS = {
    "enero": 1,
    "febrero": 2,
    "marzo": 3,
    "abril": 4,
    "mayo": 5,
    "junio": 6,
    "julio": 7,
    "agosto": 8,
    "septiembre": 9,
    "octubre": 10,
    "noviembre": 11,
    "diciembre": 12,
    "setiembre": 9,
}
LONGEST_WEEK = timedelta(days=6)
_DAY = re.compile(r"(\d{1,2}) de (\w+) de (\d{4})")
_WEEK = re.compile(r"(\d{1,2})(?: de (\w+))?(?: de (\d{4}))? al? (\d{1,2}) de (\w+) de (\d{4})")


def day_of(title: str) -> date | None:
    """Gives the day in a text such as `Miércoles 2 de agosto de 2023`; None when there is none."""
    found = _DAY.search(_one_line(title))
    return _date(*found.groups()) if found else None


def week_of(title: str) -> tuple[date, date] | None:
    """Gives first and last day in a text such as `28 de diciembre de 2024 al 3 de enero de 2025`.

    What the first day leaves out, as in `1 al 7 de mayo de 2021`, is that of the last; a year that it leaves
    out is the one before when its month comes later. None when the text names no week.
    """
    found = _WEEK.search(_one_line(title))
    if found is None:
        return None
    first_day, first_month, first_year, last_day, last_month, last_year = found.groups()
    last = _date(last_day, last_month, last_year)
    first = _date(first_day, first_month or last_month, first_year or last_year)
    if first and last and first > last and first_month and not first_year:
        first = _date(first_day, first_month, str(last.year - 1))
    if first is None or last is None or not timedelta(0) <= last - first <= LONGEST_WEEK:
        return None
    return first, last


def _date(day: str, month: str, year: str) -> date | None:
    try:
        return date(int(year), MONTHS[month.lower()], int(day))
    except (KeyError, ValueError):
        return None


def _one_line(text: str) -> str:
    return " ".join(text.split())
