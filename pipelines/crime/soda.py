"""A client of the Socrata Open Data API, version 2.1: whole query results, page by page."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from stepkit.bounded_json import parse_json
from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.http import Answer, Client, Limits
from stepkit.text import excerpt
from stepkit.urls import host_of

PAGE_ROWS = 20_000
"""Below the 50,000 that older servers give at most; about 15 MB."""
STILL_PROCESSING = 202
MAX_BYTES = 48 << 20
"""Of one answer: 50,000 rows, the most of one request, have about 38 MB."""
EARLIEST = datetime(2001, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""How far a time of the portal may be ahead of this machine's clock."""
_VALUES_A_ROW = 64
_MOST_VALUES = 200_000
"""Of an answer that holds no rows; a data set's description has some thousands."""
_LONGEST_KEY = 18
_EXCERPT = 300
_logger = logging.getLogger(__name__)

Row = dict[str, Any]


class Refreshed(Exception):
    """The data set has changed between two pages of one query."""


class Soda:
    """Asks one portal.

    Args:
        base_url: such as https://data.cityofchicago.org.
        token: of an application, sent as `X-App-Token`; without one the portal throttles sooner.
        client: makes the requests; by default one that waits as the portal asks.
    """

    def __init__(self, base_url: str, token: str | None = None, client: Client | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._client = client or Client(
            Limits(attempts=8, max_bytes=MAX_BYTES),
            headers={"Accept-Encoding": "gzip", **({"X-App-Token": token} if token else {})},
            ask_again={STILL_PROCESSING},
            explain=told,
        )

    def updated_at(self, dataset: str) -> datetime:
        """Returns the time of the data set's last refresh: the portal's "now".

        Raises:
            DependencyUnavailable: the portal does not answer.
            InvalidInput: it refuses the request, says no time, or one that is still to come.
        """
        url = f"{self._base}/api/views/{dataset}.json"
        described = self._json(url, {})
        try:
            found = datetime.fromtimestamp(described["rowsUpdatedAt"], UTC)
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            raise _changed(url, f"{url} has no rowsUpdatedAt: it describes no table") from error
        if not EARLIEST <= found <= datetime.now(UTC) + AHEAD:
            raise _changed(
                url,
                f"{url} has a rowsUpdatedAt of {found.isoformat()}, which is not between {EARLIEST.date()}"
                " and today by this machine's clock",
            )
        return found

    def count(self, dataset: str, where: str) -> int:
        """Returns how many rows a condition holds for."""
        answer = self._json(self._resource(dataset), {"$select": "count(*)", "$where": where})
        try:
            return int(answer[0]["count"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            url = self._resource(dataset)
            raise _changed(url, f"{url} answered a count with {str(answer)[:100]}") from error

    def table(self, dataset: str) -> list[Row]:
        """Returns all rows of a small data set, in the order in which the portal keeps them."""
        return self._rows(self._resource(dataset), {"$order": ":id"}, PAGE_ROWS)[0]

    def pages(
        self, dataset: str, columns: Sequence[str], where: str, key: str, page_rows: int = PAGE_ROWS
    ) -> Iterator[list[Row]]:
        """Returns the rows that a condition holds for, in the order of a whole-number key.

        Each page begins behind the last key of the one before, so that none is missed or given twice.

        Args:
            dataset: its id, of the form `abcd-1234`.
            columns: to ask for; what is null in a row has no entry in it.
            where: in SoQL.
            key: a column that no two rows share.
            page_rows: rows of one request.

        Raises:
            Refreshed: the data set has changed since the first page: begin again.
            DependencyUnavailable: the portal does not answer.
            InvalidInput: it refuses the query, or answers with something else than rows in that order.
        """
        version, last = None, None
        while True:
            condition = where if last is None else f"({where}) AND {key} > {last}"
            query: dict[str, str | int]
            query = {"$select": ",".join(columns), "$where": condition, "$order": key}
            rows, answer = self._rows(self._resource(dataset), query, page_rows)
            seen = answer.headers.get("X-SODA2-Truth-Last-Modified") or answer.headers.get("Last-Modified")
            if version is not None and seen != version:
                raise Refreshed(f"{dataset} was refreshed at {seen} while it was being read")
            version = seen
            last = self._last_key(dataset, rows, key, last)
            if rows:
                yield rows
            if len(rows) < page_rows:
                return

    def _last_key(self, dataset: str, rows: list[Row], key: str, last: int | None) -> int | None:
        """Returns the last key of a page; each is above the one before, or a repeated page had no end."""
        for row in rows:
            value = str(row.get(key))
            if not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_KEY):
                raise _changed(
                    self._resource(dataset), f"{dataset} gave a row without {key}: {str(row)[:200]}"
                )
            if last is not None and int(value) <= last:
                raise _changed(
                    self._resource(dataset),
                    f"{dataset} gave a row whose {key} is {value} after one whose {key} is {last}, where rows"
                    f" in the order of {key} were asked for",
                )
            last = int(value)
        return last

    def _resource(self, dataset: str) -> str:
        return f"{self._base}/resource/{dataset}.json"

    def _rows(self, url: str, query: dict[str, str | int], most: int) -> tuple[list[Row], Answer]:
        answer = self._asked(url, {**query, "$limit": most})
        rows = _parsed(answer, _MOST_VALUES + _VALUES_A_ROW * most)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _changed(url, f"{url} answered with something else than rows: {excerpt(answer.body)}")
        return rows, answer

    def _json(self, url: str, query: dict[str, str | int]) -> Any:
        return _parsed(self._asked(url, query), _MOST_VALUES)

    def _asked(self, url: str, query: dict[str, str | int]) -> Answer:
        answer = self._client.get(url, query)
        if answer.status == 200:
            return answer
        code, message = error_of(answer)
        said = f"{answer.status} {code}: {message}" if code else f"{answer.status}: {message}"
        if answer.status >= 500:
            raise DependencyUnavailable(f"{url} answered {said}", service=host_of(url))
        if answer.status in (401, 403):
            refusal = f"{url} answered {said}; check SOCRATA_APP_TOKEN, or leave it out"
            raise InvalidInput(refusal, Code.ACCESS_REFUSED, service=host_of(url))
        if answer.status == 404:
            refusal = f"{url} answered {said}; check --source-url and the data set's id"
        else:
            refusal = f"{url} refuses the query {query}: {said}"
        raise InvalidInput(refusal, Code.REQUEST_REFUSED, service=host_of(url))


def _changed(url: str, sentence: str) -> InvalidInput:
    return InvalidInput(sentence, Code.SCHEMA_CHANGED, file=url, service=host_of(url))


def error_of(answer: Answer) -> tuple[str, str]:
    """Returns the code and the message of an error, in either of the portal's two shapes."""
    code, message = _code_and_message(answer.body)
    return code, message or excerpt(answer.body)


def told(body: bytes) -> str:
    """Returns what the body of an error says; nothing where it is not one of the portal's."""
    return ": ".join(filter(None, _code_and_message(body)))


def _code_and_message(body: bytes) -> tuple[str, str]:
    try:
        said = parse_json(body, _MOST_VALUES)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return "", ""
    code = said.get("errorCode") or said.get("code") or ""
    return str(code)[:_EXCERPT], str(said.get("message") or "")[:_EXCERPT]


def _parsed(answer: Answer, most_values: int) -> Any:
    try:
        return parse_json(answer.body, most_values)
    except ValueError as error:
        raise InvalidInput(
            f"{answer.url} answered with what is not JSON: {excerpt(answer.body)}: {error}",
            Code.UNREADABLE_INPUT,
            file=answer.url,
            service=host_of(answer.url),
        ) from error
