"""Drops what former runs have made in schema `penguins`, and nothing else."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor

from penguins.schema import SCHEMA
from stepkit import postgres
from stepkit.errors import Code, InvalidInput
from stepkit.settings import Settings
from stepkit.step import run

# Views first: tables cannot go while a view reads them.
_KINDS = (("v", "VIEW"), ("m", "MATERIALIZED VIEW"), ("r", "TABLE"))
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reset:
    """What was dropped."""

    schema: str
    dropped: list[str]


def reset_schema(settings: Settings) -> Reset:
    """Drops the tables and views of the schema, all or none; a retry drops what is there then.

    Raises:
        InvalidInput: the role owns things elsewhere, so that it is not the one for this; or something outside
            the schema depends on what would be dropped.
    """
    with postgres.transaction(settings) as rows:
        refuse_other_owner(rows)
        rows.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [SCHEMA])
        dropped = []
        for kind, word in _KINDS:
            names = _names(rows, kind)
            if names:
                _drop(rows, word, names)
            dropped += names
    _logger.info("dropped in %s: %s", SCHEMA, ", ".join(dropped) or "nothing")
    return Reset(SCHEMA, sorted(dropped))


def refuse_other_owner(rows: cursor) -> None:
    """Refuses a role that could drop more than it should.

    Raises:
        InvalidInput: it is a superuser, or owns a schema or a relation outside schema `penguins`.
    """
    rows.execute(
        "SELECT current_user, rolsuper OR EXISTS (SELECT FROM pg_namespace WHERE nspowner = me.oid)"
        " OR EXISTS (SELECT FROM pg_class JOIN pg_namespace AS place ON place.oid = relnamespace"
        " WHERE relowner = me.oid AND nspname <> %s AND nspname !~ '^pg_(toast|temp)')"
        " FROM pg_roles AS me WHERE rolname = current_user",
        [SCHEMA],
    )
    role, owns_more = rows.fetchone() or ("", True)
    if owns_more:
        raise InvalidInput(
            f"DATABASE_URL logs in as {role}, which owns more than tables in schema {SCHEMA}:"
            " use the role penguins",
            Code.INVALID_SETTING,
        )


def _names(rows: cursor, kind: str) -> list[str]:
    rows.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = %s ORDER BY 1",
        [SCHEMA, kind],
    )
    return [name for (name,) in rows.fetchall()]


def _drop(rows: cursor, word: str, names: list[str]) -> None:
    """Drops several at once, as they may depend on each other; CASCADE would go beyond the schema."""
    listed = sql.SQL(", ").join(sql.Identifier(SCHEMA, name) for name in names)
    try:
        rows.execute(sql.SQL("DROP {} {}").format(sql.SQL(word), listed))
    except psycopg2.errors.DependentObjectsStillExist as error:
        depends = " ".join((error.diag.message_detail or "").split())
        raise InvalidInput(
            f"schema {SCHEMA} is not reset: {depends}; drop that first, or move it", Code.STATE_CONFLICT
        ) from error


if __name__ == "__main__":
    run(reset_schema)
