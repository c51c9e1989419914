"""A client of the Socrata Open Data API, version 2.1: whole query results, page by page."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from stepkit.http import Answer, Client, Limits
from stepkit.outcomes import Code, OutsideDown, RefusedInput
from stepkit.urls import host_of

PAGE_ROWS = 20_000
"""Below the 50,000 that older servers give at most; about 15 MB."""
STILL_PROCESSING = 202
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
            Limits(attempts=8),
            headers={"Accept-Encoding": "gzip", **({"X-App-Token": token} if token else {})},
            ask_again={STILL_PROCESSING},
        )

    def updated_at(self, dataset: str) -> datetime:
        """Gives the time of the data set's last refresh: the portal's "now".

        Raises:
            OutsideDown: the portal does not answer.
            RefusedInput: it refuses the request, or says no time.
        """
        described = self._json(f"{self._base}/api/views/{dataset}.json", {})
        try:
            return datetime.fromtimestamp(described["rowsUpdatedAt"], UTC)
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            url = f"{self._base}/api/views/{dataset}.json"
            raise _changed(url, f"{url} has no rowsUpdatedAt: it describes no table") from error

    def count(self, dataset: str, where: str) -> int:
        """Gives how many rows a condition holds for."""
        answer = self._json(self._resource(dataset), {"$select": "count(*)", "$where": where})
        try:
            return int(answer[0]["count"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            url = self._resource(dataset)
            raise _changed(url, f"{url} answered a count with {answer!r:.100}") from error

    def table(self, dataset: str) -> list[Row]:
        """Gives all rows of a small data set, in the order in which the portal keeps them."""
        return self._rows(self._resource(dataset), {"$order": ":id", "$limit": PAGE_ROWS})[0]

    def pages(
        self, dataset: str, columns: Sequence[str], where: str, key: str, page_rows: int = PAGE_ROWS
    ) -> Iterator[list[Row]]:
        """Gives the rows that a condition holds for, in the order of a whole-number key.

        Each page begins behind the last key of the one before, so that none is missed or given twice.

        Args:
            dataset: its id, of the form `abcd-1234`.
            columns: to ask for; what is null in a row has no entry in it.
            where: in SoQL.
            key: a column that no two rows share.
            page_rows: rows of one request.

        Raises:
            Refreshed: the data set has changed since the first page: begin again.
            OutsideDown: the portal does not answer.
            RefusedInput: it refuses the query, or answers with something else than rows.
        """
        version, last = None, None
        while True:
            condition = where if last is None else f"({where}) AND {key} > {last}"
            query: dict[str, str | int]
            query = {"$select": ",".join(columns), "$where": condition, "$order": key, "$limit": page_rows}
            rows, answer = self._rows(self._resource(dataset), query)
            seen = answer.headers.get("X-SODA2-Truth-Last-Modified") or answer.headers.get("Last-Modified")
            if version is not None and seen != version:
                raise Refreshed(f"{dataset} was refreshed at {seen} while it was being read")
            version = seen
            if rows:
                yield rows
            if len(rows) < page_rows:
                return
            try:
                last = int(rows[-1][key])
            except (KeyError, ValueError) as error:
                raise _changed(
                    self._resource(dataset), f"{dataset} gave a row without {key}: {rows[-1]!r:.200}"
                ) from error

    def _resource(self, dataset: str) -> str:
        return f"{self._base}/resource/{dataset}.json"

    def _rows(self, url: str, query: dict[str, str | int]) -> tuple[list[Row], Answer]:
        answer = self._asked(url, query)
        rows = _parsed(answer)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _changed(url, f"{url} answered with something else than rows: {_excerpt(answer)}")
        return rows, answer

    def _json(self, url: str, query: dict[str, str | int]) -> Any:
        return _parsed(self._asked(url, query))

    def _asked(self, url: str, query: dict[str, str | int]) -> Answer:
        answer = self._client.get(url, query)
        if answer.status == 200:
            return answer
        code, message = error_of(answer)
        said = f"{answer.status} {code}: {message}" if code else f"{answer.status}: {message}"
        if answer.status >= 500:
            raise OutsideDown(f"{url} answered {said}", service=host_of(url))
        if answer.status in (401, 403):
            refusal = f"{url} answered {said}; check SOCRATA_APP_TOKEN, or leave it out"
            raise RefusedInput(refusal, Code.ACCESS_REFUSED, service=host_of(url))
        if answer.status == 404:
            refusal = f"{url} answered {said}; check --source-url and the data set's id"
        else:
            refusal = f"{url} refuses the query {query}: {said}"
        raise RefusedInput(refusal, Code.REQUEST_REFUSED, service=host_of(url))


def _changed(url: str, sentence: str) -> RefusedInput:
    return RefusedInput(sentence, Code.SCHEMA_CHANGED, file=url, service=host_of(url))


def error_of(answer: Answer) -> tuple[str, str]:
    """Gives the code and the message of an error, in either of the portal's two shapes."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return "", _excerpt(answer)
    code = body.get("errorCode") or body.get("code") or ""
    return str(code), str(body.get("message") or _excerpt(answer))


def _parsed(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise RefusedInput(
            f"{answer.url} answered with what is no JSON: {_excerpt(answer)}",
            Code.UNREADABLE_INPUT,
            file=answer.url,
            service=host_of(answer.url),
        ) from error


def _excerpt(answer: Answer) -> str:
    text = " ".join(answer.body[:_EXCERPT].decode(errors="replace").split())
    return f"{text!r}" + ("…" if len(answer.body) > _EXCERPT else "")
