"""The days of a title by their properties: what is written is read, and nothing else is a day."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from excel.dates import LONGEST_WEEK, MONTHS, day_of, week_of

NAMES = {number: name for name, number in MONTHS.items()}
SEVERAL_SPACES = st.sampled_from([" ", "  ", "\n"])
DAYS = st.dates(date(1000, 1, 8), date(9999, 12, 20))


def written(day: date, month: bool = True, year: bool = True) -> str:
    named = f" de {NAMES[day.month].title()}" if month else ""
    return f"{day.day}{named}{f' de {day.year}' if year else ''}"


@given(DAYS, SEVERAL_SPACES)
def test_a_day_survives_its_words(day: date, space: str) -> None:
    assert day_of(f"Precios, Miércoles {written(day)}".replace(" ", space)) == day


@given(DAYS, st.integers(0, LONGEST_WEEK.days), st.booleans(), st.sampled_from(["al", "a"]))
def test_a_week_survives_its_words_and_what_its_first_day_leaves_out(
    first: date, days: int, whole: bool, to: str
) -> None:
    last = first + timedelta(days=days)
    month = whole or first.month != last.month
    title = f"Semana del {written(first, month, year=whole)} {to} {written(last)}"
    assert week_of(title) == (first, last)


@given(st.text() | st.from_regex(r"\d{1,3} de (enero|nadie) de \d{4} al \d{1,2} de mayo de \d{4}"))
def test_any_text_names_a_week_of_at_most_seven_days_or_none(title: str) -> None:
    week = week_of(title)
    assert week is None or timedelta(0) <= week[1] - week[0] <= LONGEST_WEEK
    assert day_of(title) is None or isinstance(day_of(title), date)
