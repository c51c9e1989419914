"""Makes the table of the file's lines, as text: what is wrong with them is for `preprocess` to say."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql

from penguins.schema import COLUMNS, RAW
from stepkit import postgres
from stepkit.settings import Settings
from stepkit.step import run


@dataclass(frozen=True)
class Created:
    """The table."""

    table: str


def create_raw_table(settings: Settings) -> Created:
    """Makes the table unless it is there."""
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in COLUMNS)
    with postgres.transaction(settings) as rows:
        rows.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} (line integer PRIMARY KEY, {})").format(
                postgres.identifier(RAW), columns
            )
        )
    return Created(RAW)


if __name__ == "__main__":
    run(create_raw_table)
