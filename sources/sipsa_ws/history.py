"""The histories that the operations give: synthetic, and at each moment of the clock the same."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sipsa_ws.clock import published
from sipsa_ws.quotes import Quotes

Row = dict[str, str]

CITY_GAP = (date(2021, 1, 1), date(2022, 2, 1))
"""Half-open: the report by city has no rows of these days."""
RENAMED_ON = date(2022, 12, 1)
RENAMED = {"CÚCUTA": "SAN JOSÉ DE CÚCUTA"}
WEEKS = 50
"""How many weeks the weekly report reaches back."""
MONTHS_FROM = date(2023, 2, 1)
CORRECTED = 0.02
"""Share of the daily prices that are corrected, 3 days after their first publication."""
LATE = 0.01
"""Share of the daily prices that come a day late."""
_MIDNIGHT = "T00:00:00-05:00"
_BASE = date(2025, 7, 1)


class Price(NamedTuple):
    """A daily price as it is known at a moment."""

    factor: float
    """By which it differs from the usual price."""
    since: datetime
    """When this was published."""


class Histories:
    """What each operation answers.

    Args:
        quotes: the products, markets and usual prices.
        start: the first day.
    """

    def __init__(self, quotes: Quotes, start: date) -> None:
        self._quotes, self._start = quotes, start
        self._answers: dict[str, Callable[[datetime], Iterator[list[Row]]]] = {
            "promediosSipsaCiudad": self._by_city,
            "promediosSipsaParcial": self._by_market,
            "promediosSipsaSemanaMadr": self._weekly,
            "promediosSipsaMesMadr": self._monthly,
            "promedioAbasSipsaMesMadr": self._supplies,
        }

    def answer(self, operation: str, now: datetime) -> Iterator[list[Row]]:
        """Returns the rows of an operation, in lists of one day, week or month, the oldest first.

        The prices of farm inputs (`consultarInsumosSipsaMesMadr`) are in no bulletin: that history is empty.
        """
        answer = self._answers.get(operation)
        return answer(now) if answer else iter(())

    def _by_city(self, now: datetime) -> Iterator[list[Row]]:
        ids = self._quotes.product_ids
        series = [(city, product, ids[product], price) for city, product, price in self._quotes.by_city]
        for day in _market_days(self._start, now):
            if CITY_GAP[0] <= day < CITY_GAP[1]:
                continue
            captured, first_id = f"{day}{_MIDNIGHT}", day.toordinal() * 1000
            rows = []
            for place, price in _daily_prices("ciudad", day, len(series), 0.36, now):
                city, product, code, usual = series[place]
                rows.append(
                    {
                        "ciudad": RENAMED.get(city, city) if day >= RENAMED_ON else city,
                        "codProducto": str(code),
                        "enviado": "0",
                        "fechaCaptura": captured,
                        "fechaCreacion": price.since.isoformat(),
                        "precioPromedio": str(round(usual * price.factor)),
                        "producto": product,
                        "regId": str(first_id + place),
                    }
                )
            yield rows

    def _by_market(self, now: datetime) -> Iterator[list[Row]]:
        quotes = self._quotes
        series = []
        for quote in quotes.daily:
            market = quotes.daily_markets[quote.market]
            fixed = {
                "artiNombre": quote.product,
                "deptNombre": market.department,
                "enmaFecha": "",
                "fuenId": str(quotes.market_ids[quote.market]),
                "fuenNombre": quote.market,
                "futiId": str(2000 + quotes.market_ids[quote.market]),
                "grupNombre": quote.group,
                "idArtiSemana": str(quotes.product_ids[quote.product]),
                "maximoKg": "",
                "minimoKg": "",
                "muniId": market.municipality_id,
                "muniNombre": market.municipality,
                "promedioKg": "",
            }
            series.append((fixed, quote))
        for day in _market_days(self._start, now):
            of_day = f"{day}{_MIDNIGHT}"
            rows = []
            for place, price in _daily_prices("parcial", day, len(series), 0.435, now):
                fixed, quote = series[place]
                low, high, mean = (
                    usual * price.factor for usual in (quote.minimum, quote.maximum, quote.mean)
                )
                rows.append(
                    {
                        **fixed,
                        "enmaFecha": of_day,
                        "maximoKg": f"{high:.2f}",
                        "minimoKg": f"{low:.0f}",
                        "promedioKg": f"{mean:.0f}",
                    }
                )
            yield rows

    def _weekly(self, now: datetime) -> Iterator[list[Row]]:
        """Returns the weeks, from Saturday to Friday, of which the last day has been published."""
        last = now.date() - timedelta(days=(now.date().weekday() - 4) % 7)
        if now < published(last):
            last -= timedelta(days=7)
        firsts = [last - timedelta(days=6 + 7 * back) for back in reversed(range(WEEKS))]
        for first in firsts:
            if first >= self._start:
                yield self._bulletin("fechaIni", "tmpMayoSemId", first, published(first, 6))

    def _monthly(self, now: datetime) -> Iterator[list[Row]]:
        for first, next_month in self._months(now, day_of_month=8):
            yield self._bulletin("fechaMesIni", "tmpMayoMesId", first, published(next_month, 7))

    def _supplies(self, now: datetime) -> Iterator[list[Row]]:
        for first, next_month in self._months(now, day_of_month=10):
            rows = self._bulletin("fechaMesIni", "tmpAbasMesId", first, published(next_month, 9))
            for row in rows:
                price = int(row.pop("promedioKg"))
                row["cantidadTon"] = f"{3_000_000 / (price + 500):.2f}"
                del row["maximoKg"], row["minimoKg"]
            yield [dict(sorted(row.items())) for row in rows]

    def _months(self, now: datetime, day_of_month: int) -> Iterator[tuple[date, date]]:
        first = MONTHS_FROM
        while published(next_month := (first + timedelta(days=31)).replace(day=1), day_of_month - 1) <= now:
            if first >= self._start:
                yield first, next_month
            first = next_month

    def _bulletin(self, date_field: str, id_field: str, first: date, created: datetime) -> list[Row]:
        draw = random.Random(f"{date_field}/{first}")  # noqa: S311 - the same rows every time
        quotes, level = self._quotes, _level(first)
        rows = []
        for place, quote in enumerate(quotes.all):
            factor = level * draw.uniform(0.9, 1.1)
            if draw.random() < 0.27:
                continue
            row = {
                "artiId": str(quotes.product_ids[quote.product]),
                "artiNombre": quote.product,
                "enviado": "1",
                "fechaCreacion": created.isoformat(),
                date_field: f"{first}{_MIDNIGHT}",
                "fuenId": str(quotes.market_ids[quote.market]),
                "fuenNombre": quote.market,
                "futiId": str(2000 + quotes.market_ids[quote.market]),
                "maximoKg": str(round(quote.maximum * factor)),
                "minimoKg": str(round(quote.minimum * factor)),
                "promedioKg": str(round(quote.mean * factor)),
                id_field: str(first.toordinal() * 10_000 + place),
            }
            rows.append(row)
        return rows


def _market_days(start: date, now: datetime) -> Iterator[date]:
    """Returns the days, Monday to Saturday, of which the first prices are public."""
    day = start
    while published(day) <= now:
        if day.weekday() < 6:
            yield day
        day += timedelta(days=1)


def _daily_prices(
    report: str, day: date, series: int, share: float, now: datetime
) -> Iterable[tuple[int, Price]]:
    """Returns the place in the series, and the price, of each quote of a day that is public."""
    # Each series draws the same numbers whatever the others do and whatever the time is.
    draw = random.Random(f"{report}/{day}").random  # noqa: S311 - the same rows every time
    level = _level(day)
    first, late, corrected = published(day), published(day, 1), published(day, 3)
    for place in range(series):
        quoted, fate, noise = draw(), draw(), draw()
        if quoted >= share:
            continue
        factor = level * (0.9 + 0.2 * noise)
        if fate < CORRECTED:
            yield place, Price(factor, corrected) if now >= corrected else Price(factor * 1.1, first)
        elif fate >= CORRECTED + LATE:
            yield place, Price(factor, first)
        elif now >= late:
            yield place, Price(factor, late)


def _level(day: date) -> float:
    """Returns the level of all prices: 7 % a year, and the seasons."""
    years = (day - _BASE).days / 365.25
    return math.exp(0.07 * years) * (1 + 0.12 * math.sin(2 * math.pi * years))
