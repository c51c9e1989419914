"""The exchange's public REST API: its clock and its bars, and what its refusals mean."""

from __future__ import annotations

import json
import time
from typing import Any

from bitcoin.schema import LAST_TIME
from stepkit.bounded_json import parse_json
from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.http import Answer, Client, Limits
from stepkit.text import excerpt
from stepkit.urls import host_of

PAGE = 1000
"""Bars of one answer: the most that the exchange gives."""
BANNED = 418
"""Sent with `Retry-After` to an address that went on after 429: it is waited for as 429 is."""
LIMITS = Limits(max_bytes=2 << 20)
"""A page of bars has about 180 kB."""
AHEAD_MS = 86_400_000
"""How far the exchange's clock may be ahead of ours: bars that are still to come would count as closed."""
_MOST_VALUES = 50_000
_PLACE_REFUSED = 451
_FIREWALL = 403


class Market:
    """One exchange at one address, asked in one session.

    Args:
        base_url: such as `https://data-api.binance.vision`.
        client: how long and how often to try.
    """

    def __init__(self, base_url: str, client: Client | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = client or Client(LIMITS, ask_again={BANNED}, explain=told)

    def now(self) -> int:
        """Returns the exchange's time in milliseconds since 1970.

        Raises:
            DependencyUnavailable: it does not answer, or not now.
            InvalidInput: it refuses to answer, or there is no such API at the address.
        """
        answer = self._get("time", {})
        found = answer.get("serverTime") if isinstance(answer, dict) else None
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= LAST_TIME:
            raise _refusal(
                self._base_url,
                f"{self._base_url} does not tell its time: check --source-url",
                Code.SCHEMA_CHANGED,
            )
        if found > time.time() * 1000 + AHEAD_MS:
            raise _refusal(
                self._base_url,
                f"{self._base_url} tells a time more than a day ahead of this machine's clock: {found}",
                Code.SCHEMA_CHANGED,
            )
        return found

    def bars(self, symbol: str, interval: str, start: int) -> list[Any]:
        """Returns the oldest rows from a time on, at most `PAGE`, as the exchange sent them; raises as `now`.

        Args:
            symbol: what is traded, such as `BTCUSDT`.
            interval: the length of a bar, such as `1h`.
            start: the earliest opening, in milliseconds since 1970.
        """
        query: dict[str, str | int] = {"symbol": symbol, "interval": interval, "startTime": start}
        query["limit"] = PAGE
        rows = self._get("klines", query)
        if not isinstance(rows, list):
            raise _refusal(
                self._base_url,
                f"{self._base_url} answered {excerpt(json.dumps(rows).encode())} where bars were asked for",
                Code.SCHEMA_CHANGED,
            )
        return rows

    def _get(self, path: str, query: dict[str, str | int]) -> Any:
        answer = self._client.get(f"{self._base_url}/api/v3/{path}", query)
        body = _json(answer)
        if answer.status == 200:
            return body
        said = body.get("msg") if isinstance(body, dict) else None
        if answer.status >= 500 or answer.status == _FIREWALL:
            raise DependencyUnavailable(
                f"{answer.url} answered {answer.status}: {said or excerpt(answer.body)}",
                service=host_of(answer.url),
            )
        if answer.status == _PLACE_REFUSED:
            raise _refusal(
                answer.url,
                f"{self._base_url} does not answer to this place ({said}): use an address that does,"
                " such as https://data-api.binance.vision",
            )
        if said is not None:
            raise _refusal(answer.url, f"{answer.url} was refused: {body.get('code')} {said}")
        raise _refusal(answer.url, f"{answer.url} answered {answer.status}: check --source-url")


def _refusal(url: str, sentence: str, code: Code = Code.REQUEST_REFUSED) -> InvalidInput:
    return InvalidInput(sentence, code, service=host_of(url))


def told(body: bytes) -> str:
    """Returns what the body of an error says; nothing where it is not one of the exchange's."""
    try:
        said = parse_json(body, _MOST_VALUES)
    except ValueError:
        return ""
    return str(said.get("msg") or "") if isinstance(said, dict) else ""


def _json(answer: Answer) -> Any:
    try:
        return parse_json(answer.body, _MOST_VALUES)
    except ValueError:
        if answer.status == 200:
            raise _refusal(
                answer.url,
                f"{answer.url} answered no JSON: {answer.body[:100]!r}: check --source-url",
                Code.UNREADABLE_INPUT,
            ) from None
        return None
