"""The days of a title: what people write is read, what cannot be is refused, and nothing else is a day."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excel.dates import LONGEST_WEEK, MONTHS, YEARS, ImpossibleDateError, day_of, week_of

NAMES = {number: name for name, number in MONTHS.items()}
SEVERAL_SPACES = st.sampled_from([" ", "  ", "\n", "\u00a0"])
DAYS = st.dates(date(YEARS[0], 1, 8), date(YEARS[-1], 12, 20))
OF = st.sampled_from(["de", "del", "DE"])
MAY = date(2021, 5, 1), date(2021, 5, 7)
NEW_YEAR = date(2024, 12, 28), date(2025, 1, 3)


@st.composite
def months(draw: st.DrawFn) -> dict[int, str]:
    """Returns the words of the months, whole or cut, in any case."""
    ends = {number: draw(st.integers(3, len(name))) for number, name in NAMES.items()}
    words = {
        number: name[: ends[number]] + "." * (ends[number] < len(name)) for number, name in NAMES.items()
    }
    case = draw(st.sampled_from([str.lower, str.upper, str.title]))
    return {number: case(word) for number, word in words.items()}


def written(day: date, words: dict[int, str], of: str = "de", month: bool = True, year: bool = True) -> str:
    named = f" de {words[day.month]}" if month else ""
    return f"{day.day}{named}{f' {of} {day.year}' if year else ''}"


@given(DAYS, SEVERAL_SPACES, months(), OF)
def test_a_day_survives_its_words(day: date, space: str, words: dict[int, str], of: str) -> None:
    assert day_of(f"Precios, Miércoles {written(day, words, of)}".replace(" ", space)) == day


@given(DAYS, st.datetimes(datetime(YEARS[0], 1, 1), datetime(YEARS[-1], 12, 31)))
def test_a_date_is_its_day(day: date, moment: datetime) -> None:
    assert (day_of(day), day_of(moment)) == (day, moment.date())


@given(
    DAYS,
    st.integers(0, LONGEST_WEEK.days),
    st.booleans(),
    st.sampled_from(["al", "a", "-"]),
    months(),
)
def test_a_week_survives_its_words_and_what_its_first_day_leaves_out(
    first: date, days: int, whole: bool, to: str, words: dict[int, str]
) -> None:
    last = first + timedelta(days=days)
    month = whole or first.month != last.month
    title = f"Semana del {written(first, words, month=month, year=whole)} {to} {written(last, words)}"
    assert week_of(title) == (first, last)


@pytest.mark.parametrize(
    ("title", "week"),
    [
        ("Boletín 18 - 1 al 7 de mayo de 2021", MAY),
        ("1° al 7 de mayo de 2021", MAY),
        ("1º al 7 de mayo del 2021", MAY),
        ("Del 1.º de mayo al 7 de MAYO de 2021", MAY),
        ("primero al 7 de mayo de 2021", MAY),
        ("1ro de may. al 7 de may. de 2021", MAY),
        ("sábado 1 al viernes 7 de mayo de 2021", MAY),
        ("1 - 7 mayo 2021", MAY),
        ("1-7 de mayo, 2021", MAY),
        ("entre el 1 y el 7 de mayo de 2021", MAY),
        ("29 de mayo al 4 de junio de 2021", (date(2021, 5, 29), date(2021, 6, 4))),
        ("28 de setiembre al 4 de octubre de 2021", (date(2021, 9, 28), date(2021, 10, 4))),
        ("28 de diciembre de 2024 al\n3 de enero de 2025", NEW_YEAR),
        ("28 de diciembre al 3 de enero de 2025", NEW_YEAR),
        ("28 dic. 2024 a 3 ene. 2025", NEW_YEAR),
        ("28-dic-2024 a 3-ene-2025", NEW_YEAR),
        ("12 al 16 de Abril de 2025", (date(2025, 4, 12), date(2025, 4, 16))),
        ("1 al 7 de brumario de 2021", None),
        ("mayo de 2021", None),
        (date(2021, 5, 1), None),
        (20210501.0, None),
    ],
)
def test_weeks_of_titles(title: Any, week: tuple[date, date] | None) -> None:
    assert week_of(title) == week


@pytest.mark.parametrize(
    ("title", "day"),
    [
        ("Miércoles 2 de agosto de 2023", date(2023, 8, 2)),
        ("miércoles, 2 de AGOSTO del 2023", date(2023, 8, 2)),
        ("2 de ago. de 2023", date(2023, 8, 2)),
        ("2-ago-2023", date(2023, 8, 2)),
        ("2 agosto, 2023", date(2023, 8, 2)),
        ("1º de set. de 2023", date(2023, 9, 1)),
        ("primero de sept. del 2023", date(2023, 9, 1)),
        ("Boletín 12 de precios 2023", None),
        ("agosto de 2023", None),
        ("112 de agosto de 2023", None),
        ("2 de agosto de 20231", None),
        (45140.0, None),
        (True, None),
    ],
)
def test_days_of_titles(title: Any, day: date | None) -> None:
    assert day_of(title) == day


@pytest.mark.parametrize(
    ("read", "title", "sentence"),
    [
        (day_of, "31 de septiembre de 2023", "names the day 31 septiembre 2023, which does not exist"),
        (day_of, "0 de mayo de 2023", "names the day 0 mayo 2023, which does not exist"),
        (day_of, "2 de agosto de 0202", "is not within the years 1990 and 2100"),
        (day_of, datetime(1900, 1, 1), "is not within the years 1990 and 2100"),
        (
            week_of,
            "30 al 31 de febrero de 2021",
            "`30 al 31 de febrero de 2021` names the day 31 febrero 2021",
        ),
        (week_of, "7 al 1 de mayo de 2021", "is not a week: its last day is before its first"),
        (week_of, "1 al 30 de mayo de 2021", "is not a week: it takes 30 days, a week at most 7"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(read: Any, title: Any, sentence: str) -> None:
    with pytest.raises(ImpossibleDateError, match=sentence):
        read(title)


@given(st.text() | st.from_regex(r"\d{1,3} de (enero|nadie) de \d{4} al \d{1,2} de mayo de \d{4}"))
def test_any_text_names_a_week_of_at_most_seven_days_or_none(title: str) -> None:
    with suppress(ImpossibleDateError):
        week = week_of(title)
        assert week is None or timedelta(0) <= week[1] - week[0] <= LONGEST_WEEK
    with suppress(ImpossibleDateError):
        day = day_of(title)
        assert day is None or day.year in YEARS
