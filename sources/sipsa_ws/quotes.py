"""What is quoted where and at about what price, and which of it the daily reports hold."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean

QUOTES_FILE = Path(__file__).parent / "data" / "quotes.csv.gz"
MARKETS_FILE = Path(__file__).parent / "data" / "markets.csv"
COLUMNS = ("group", "product", "market", "minimum", "maximum", "mean")
DAILY_GROUPS = ("VERDURAS Y HORTALIZAS", "FRUTAS FRESCAS", "TUBÉRCULOS, RAÍCES Y PLÁTANOS")
DAILY_PRODUCTS = 36
CITY_PRODUCTS = 33


@dataclass(frozen=True)
class Quote:
    """A product at a market, with its usual prices in pesos a kilogram."""

    group: str
    product: str
    market: str
    minimum: int
    maximum: int
    mean: int


@dataclass(frozen=True)
class Market:
    """A market of the daily reports, and the municipality that it is in."""

    market: str
    department: str
    municipality: str
    municipality_id: str
    """DIVIPOLA: five digits, the first may be 0."""


class Quotes:
    """All quotes of the bulletins."""

    def __init__(self) -> None:
        with gzip.open(QUOTES_FILE, "rt", encoding="utf-8", newline="") as text:
            self.all = [
                Quote(row["group"], row["product"], row["market"], *(int(row[name]) for name in COLUMNS[3:]))
                for row in csv.DictReader(text)
            ]
        with MARKETS_FILE.open(encoding="utf-8", newline="") as text:
            self.daily_markets = {row["market"]: Market(**row) for row in csv.DictReader(text)}
        names = sorted({quote.product for quote in self.all})
        markets = sorted({quote.market for quote in self.all})
        self.product_ids = {name: number for number, name in enumerate(names, 1)}
        self.market_ids = {name: number for number, name in enumerate(markets, 1800)}

    @cached_property
    def daily_products(self) -> list[str]:
        """The products that most of the daily markets quote, the most frequent first."""
        found = Counter(
            quote.product
            for quote in self.all
            if quote.group in DAILY_GROUPS and quote.market in self.daily_markets
        )
        return sorted(found, key=lambda product: (-found[product], product))[:DAILY_PRODUCTS]

    @cached_property
    def daily(self) -> list[Quote]:
        """The quotes of the daily report by market."""
        products = set(self.daily_products)
        return [
            quote for quote in self.all if quote.product in products and quote.market in self.daily_markets
        ]

    @cached_property
    def by_city(self) -> list[tuple[str, str, float]]:
        """The daily report by city: city, product, mean price over the city's markets."""
        products = set(self.daily_products[:CITY_PRODUCTS])
        prices: dict[tuple[str, str], list[int]] = defaultdict(list)
        for quote in self.daily:
            if quote.product in products:
                city = self.daily_markets[quote.market].municipality.upper()
                prices[city, quote.product].append(quote.mean)
        return [(city, product, mean(found)) for (city, product), found in sorted(prices.items())]
