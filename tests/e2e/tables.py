"""What the pipelines' tables hold, so that two runs can be compared."""

from __future__ import annotations

from typing import Any

from quintet.ops.kube import Kube
from tests.e2e import evidence

TABLES = {
    "bitcoin": ["bitcoin.bars"],
    "excel": ["excel_data.weekly_prices", "excel_data.daily_prices"],
    "penguins": ["penguins.raw_penguins"],
    "sipsa": ["sipsa_data.promedios_sipsa_ciudad", "sipsa_data.promedios_sipsa_parcial"],
}
EMPTY = {"excel_data.daily_prices"}
"""No sample workbook has the daily layout."""


def contents(kube: Kube) -> dict[str, tuple[Any, ...]]:
    """The count and an order-free hash of each table's rows; of the crimes, those of their newest file."""
    found = {}
    for pipeline, tables in TABLES.items():
        for table in tables:
            # A sum has no order.
            statement = (
                "SELECT count(*), sum(hashtextextended((to_jsonb(t) - 'changed_at')::text, 0)::numeric)"
                f" FROM {table} AS t"
            )
            (found[table],) = evidence.query(kube, statement, pipeline)
    statement = "SELECT rows, crimes_sha256 FROM crime.downloads ORDER BY download_id DESC LIMIT 1"
    (found["crimes"],) = evidence.query(kube, statement, "crime")
    return found
