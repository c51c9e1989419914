"""The days that a workbook's title names, as people write them in Spanish or as a cell with a date."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any

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
YEARS = range(1990, 2101)
LONGEST_WEEK = timedelta(days=6)
_SHORTEST = 3
"""Letters of a month's name that tell it from the others."""
_BY_BEGINNING = {
    name[:length]: number for name, number in MONTHS.items() for length in range(_SHORTEST, len(name) + 1)
}

_DAY = r"(?<!\d)(\d{1,2}|primero)(?:er|e?ro|o|\.? ?[°º])?"
_MONTH = rf"({'|'.join(sorted(_BY_BEGINNING, key=len, reverse=True))})\b\.?"
_OF = r"(?: del? | ?[-/,] ?| )"
_YEAR = r"(\d{4})(?!\d)"
_WEEKDAY = r"(?:(?:lunes|martes|mi[eé]rcoles|jueves|viernes|s[aá]bado|domingo),? )?"
_TO = rf"(?: ?- ?| (?:al?|hasta(?: el)?|y(?: el)?) ){_WEEKDAY}"
_A_DAY = re.compile(rf"{_DAY}{_OF}{_MONTH}{_OF}{_YEAR}")
_A_WEEK = re.compile(rf"{_DAY}(?:{_OF}{_MONTH}(?:{_OF}{_YEAR})?)?{_TO}{_DAY}{_OF}{_MONTH}{_OF}{_YEAR}")


class ImpossibleDateError(ValueError):
    """A title has the words of a day or a week that there cannot be; the text says why."""


def day_of(title: Any) -> date | None:
    """Returns the day in a cell: one with a date, or a text such as `Miércoles 2 de agosto de 2023`.

    Returns:
        None when there is none.

    Raises:
        ImpossibleDateError: the text names a day that there cannot be.
    """
    if isinstance(title, date):
        found, said = title.date() if isinstance(title, datetime) else title, str(title)
        if found.year not in YEARS:
            raise ImpossibleDateError(_outside(said))
        return found
    if not isinstance(title, str) or (match := _A_DAY.search(_plain(title))) is None:
        return None
    day, month, year = match.groups()
    return _date(day, month, year, match[0])


def week_of(title: Any) -> tuple[date, date] | None:
    """Returns first and last day in a text such as `28 de diciembre de 2024 al 3 de enero de 2025`.

    What the first day leaves out, as in `1 al 7 de mayo de 2021`, is that of the last; a year that it leaves
    out is the one before when its month comes later.

    Returns:
        None when the text names no week.

    Raises:
        ImpossibleDateError: it names one that there cannot be.
    """
    if not isinstance(title, str) or (match := _A_WEEK.search(_plain(title))) is None:
        return None
    said = match[0]
    first_day, first_month, first_year, last_day, last_month, last_year = match.groups()
    last = _date(last_day, last_month, last_year, said)
    first = _date(first_day, first_month or last_month, first_year or last_year, said)
    if first > last and first_month and not first_year:
        first = _date(first_day, first_month, str(last.year - 1), said)
    if first > last:
        raise ImpossibleDateError(f"`{said}` is not a week: its last day is before its first")
    if last - first > LONGEST_WEEK:
        raise ImpossibleDateError(
            f"`{said}` is not a week: it takes {(last - first).days + 1} days, a week at most"
            f" {LONGEST_WEEK.days + 1}"
        )
    return first, last


def _date(day: str, month: str, year: str, said: str) -> date:
    if int(year) not in YEARS:
        raise ImpossibleDateError(_outside(said))
    try:
        return date(int(year), _BY_BEGINNING[month], 1 if day == "primero" else int(day))
    except ValueError:
        raise ImpossibleDateError(
            f"`{said}` names the day {day} {month} {year}, which does not exist"
        ) from None


def _outside(said: str) -> str:
    return f"`{said}` is not within the years {YEARS[0]} and {YEARS[-1]}"


def _plain(title: str) -> str:
    return " ".join(title.lower().split())
