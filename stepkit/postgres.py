"""Postgres for steps: one transaction at a time, bulk data through COPY."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection, cursor, parse_dsn

from stepkit.csv_files import COPY_LINE_END
from stepkit.errors import POSTGRES, Code, DependencyUnavailable, InvalidInput, StepError
from stepkit.settings import Settings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CONNECT_TIMEOUT_SECONDS = 5
_SESSION = {"statement_timeout": "600s", "lock_timeout": "60s", "timezone": "UTC"}
_NAME_LIMIT = 63
_REASON_LIMIT = 1_000
_LOGIN_REFUSED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|role \S+ does not exist|permitted to log in"
)
_UNTRUSTED = re.compile(
    r"certificate verify failed|does not match host name|root certificate file \S+ does not exist"
)
_CHUNK_ROWS = 5_000
_CHUNK_BYTES = 1 << 18


@contextmanager
def transaction(settings: Settings) -> Iterator[cursor]:
    """Opens a connection and one transaction: committed at the end of the block, rolled back on an error.

    Raises:
        DependencyUnavailable: Postgres cannot be reached, refuses the login, takes no writes, or drops,
            cancels or aborts the work.
        InvalidInput: `DATABASE_URL` is not set or no URL, or no authority vouches for Postgres.
    """
    opened: connection | None = None
    try:
        opened = connect(settings)
        with opened.cursor() as rows:
            yield rows
        opened.commit()
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise down(error) from error
    except psycopg2.DatabaseError as error:
        if isinstance(error, psycopg2.errors.ReadOnlySqlTransaction) or (opened and opened.closed):
            raise down(error) from error
        raise
    finally:
        if opened is not None:
            # Rolls back what is not committed; to ask a lost connection for that would raise another error.
            opened.close()


def connect(settings: Settings, **session: str) -> connection:
    """Connects with time-outs, and with the task and the run as the session's name.

    Args:
        settings: with the database.
        session: settings of the session, by name, besides the usual ones or in their place.

    Returns:
        The connection, in the transaction that has made these settings: to roll it back undoes them.

    Raises:
        InvalidInput: `DATABASE_URL` is not set, or is not a URL of Postgres.
        psycopg2.OperationalError: Postgres cannot be reached; `transaction` gives it its sentence.
    """
    if not settings.database_url:
        raise InvalidInput(
            "DATABASE_URL is not set: give the step its Postgres connection", Code.INVALID_SETTING
        )
    if not _is_url(settings.database_url):
        raise InvalidInput(
            "DATABASE_URL is not a URL like postgresql://role:…@host:5432/database: characters of a password"
            " that are not letters or digits are written as %XX",
            Code.INVALID_SETTING,
        )
    run = settings.run
    opened = psycopg2.connect(
        settings.database_url,
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        application_name=f"{run.task_id or 'step'} {run.run_id}"[:_NAME_LIMIT],
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=60_000,
    )
    # Not as options of the connection: poolers such as PgBouncer refuse or drop those.
    made = [
        sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in {**_SESSION, **session}.items()
    ]
    try:
        with opened.cursor() as rows:
            rows.execute(sql.SQL("; ").join(made))
    except BaseException:
        opened.close()
        raise
    return opened


def _is_url(url: str) -> bool:
    """Returns whether libpq finds the parts of a URL where they are meant; its errors quote most of them.

    Of a password that is not written as %XX, parts would be taken for a port, a host or a database.
    """
    try:
        parts = parse_dsn(url)
    except psycopg2.ProgrammingError:
        return False
    ports = parts.get("port", "5432").split(",")
    return all(map(str.isdecimal, ports)) and "@" not in parts.get("host", "") + parts.get("dbname", "")


def copy(rows: cursor, table: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> int:
    """Copies values into a table, in memory bounded by one chunk however many there are.

    Args:
        rows: a cursor in the transaction the rows belong to.
        table: `table` or `schema.table`.
        columns: the columns that each of `values` fills, in order.
        values: one sequence a row; None and the empty string are NULL.

    Returns:
        How many rows the server took.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv)").format(
        identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    reader = _CsvReader(values)
    try:
        rows.copy_expert(statement, reader, size=_CHUNK_BYTES)
    except psycopg2.errors.QueryCanceled:
        # psycopg2 keeps of an error in the rows only its text.
        if reader.error is not None:
            raise reader.error from None
        raise
    return rows.rowcount


def identifier(table: str) -> sql.Identifier:
    """Returns `schema.table` quoted for use in a statement."""
    return sql.Identifier(*table.split(".", 1))


class _CsvReader(io.RawIOBase):
    """A file that makes its bytes from rows as it is read."""

    def __init__(self, values: Iterable[Sequence[Any]]) -> None:
        self._values = iter(values)
        self._chunk = io.BytesIO()
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._chunk.readinto(buffer) or self._next_chunk().readinto(buffer)

    def _next_chunk(self) -> io.BytesIO:
        text = io.StringIO()
        try:
            lines = csv.writer(text, lineterminator=COPY_LINE_END)
            lines.writerows(itertools.islice(self._values, _CHUNK_ROWS))
        except Exception as error:
            self.error = error
            raise
        self._chunk = io.BytesIO(text.getvalue().encode())
        return self._chunk


def down(error: BaseException, work: str = "the work") -> StepError:
    """Returns what an error of Postgres means for a step.

    Args:
        error: of psycopg2, or what a library has made of one.
        work: what Postgres was to do.
    """
    reason = " ".join(str(error).split())[:_REASON_LIMIT] or type(error).__name__
    if _UNTRUSTED.search(reason):
        return InvalidInput(
            f"Postgres is refused for its certificate: {reason}. PGSSLROOTCERT must name a file with the"
            " certificate of its authority (in the charts: global.postgres.caSecret)",
            Code.UNTRUSTED_CERTIFICATE,
            service=POSTGRES,
        )
    cause = _cause(error)
    if isinstance(cause, psycopg2.errors.ReadOnlySqlTransaction):
        reason += ": it is a standby, or was made read-only, as some are while their disk is full"
    return DependencyUnavailable(f"Postgres did not finish {work}: {reason}", _code(cause), service=POSTGRES)


def _cause(error: BaseException) -> BaseException:
    while inner := getattr(error, "orig", None) or error.__cause__:  # SQLAlchemy's errors hold psycopg2's
        error = inner
    return error


def _code(cause: BaseException) -> Code:
    if isinstance(cause, psycopg2.errors.DiskFull):
        return Code.STORAGE_FULL
    # Of a refused login psycopg2 keeps the server's text and no SQLSTATE.
    return Code.ACCESS_REFUSED if _LOGIN_REFUSED.search(str(cause)) else Code.SERVICE_DOWN
