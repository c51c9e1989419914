"""The HTTP interface of the market data server."""

import json
import math
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from binance import refusals
from binance.bars import SYMBOL, Bar, Bars
from binance.clock import Clock
from binance.intervals import zone_offset
from binance.refusals import RESTRICTED, Refused
from binance.settings import Settings
from binance.weights import Weights

DEFAULT_LIMIT, MOST_BARS = 500, 1000
_MICROSECONDS_FROM = 10**14
"""A time at least this large is in microseconds: in milliseconds it would be in the year 5138."""
_KLINES = ("symbol", "interval", "startTime", "endTime", "timeZone", "limit")
_INFO = ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus")

Answer = Callable[[Request], Any]


def create_app(
    settings: Settings | None = None,
    bars: Bars | None = None,
    seconds: Callable[[], float] = time.monotonic,
) -> Starlette:
    """Builds the server.

    Args:
        settings: configuration; by default from the environment.
        bars: the market; by default the file that comes with the package.
        seconds: time that passes, in seconds; for the clock and for the weights.
    """
    settings = settings or Settings()
    market = bars or Bars()
    clock = Clock(settings.replay_now, settings.replay_speed, seconds)
    weights = Weights(settings.request_weight_limit, settings.requests_until_ban, seconds)

    def weighed(weight: int, answer: Answer) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            address = request.client.host if request.client else ""
            verdict = weights.ask(address, weight)
            used = str(verdict.used)
            headers = {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}
            try:
                if settings.restricted:
                    raise Refused(0, RESTRICTED, 451)
                if verdict.status != 200:
                    headers["retry-after"] = str(math.ceil(verdict.wait))
                    raise (
                        refusals.too_much(settings.request_weight_limit)
                        if verdict.status == 429
                        else refusals.banned(clock.now_ms() + math.ceil(verdict.wait * 1000))
                    )
                return JSONResponse(answer(request), headers=headers)
            except Refused as refused:
                body = {"code": refused.code, "msg": refused.message}
                return JSONResponse(body, refused.status, headers)

        return endpoint

    def ping(request: Request) -> dict[str, Any]:
        refusals.parameters(request.query_params.multi_items(), ())
        return {}

    def server_time(request: Request) -> dict[str, Any]:
        refusals.parameters(request.query_params.multi_items(), ())
        return {"serverTime": clock.now_ms() * _unit(request)}

    def exchange_info(request: Request) -> dict[str, Any]:
        values = refusals.parameters(request.query_params.multi_items(), _INFO)
        for name in _symbols(values):
            refusals.symbol(name)
        return _exchange_info(clock.now_ms() * _unit(request), settings.request_weight_limit)

    def klines(request: Request) -> list[list[Any]]:
        values = refusals.parameters(request.query_params.multi_items(), _KLINES)
        refusals.symbol(refusals.mandatory(values, "symbol"))
        interval = refusals.interval(refusals.mandatory(values, "interval"))
        offset = zone_offset(values.get("timeZone", "0"))
        if offset is None:
            raise refusals.invalid("timeZone")
        limit = refusals.number(values, "limit")
        if limit == 0:
            raise refusals.invalid("limit")
        start, end = (_milliseconds(refusals.number(values, name)) for name in ("startTime", "endTime"))
        chosen = market.select(
            interval,
            clock.now_ms(),
            start=start,
            end=end,
            limit=min(limit or DEFAULT_LIMIT, MOST_BARS),
            offset=offset,
        )
        return [_row(bar, _unit(request)) for bar in chosen]

    def health(request: Request) -> Response:
        return JSONResponse({"status": "OK", "now": clock.now_ms()})

    app = Starlette(
        routes=[
            Route("/health", health),
            Route("/api/v3/ping", weighed(1, ping)),
            Route("/api/v3/time", weighed(1, server_time)),
            Route("/api/v3/exchangeInfo", weighed(20, exchange_info)),
            Route("/api/v3/klines", weighed(2, klines)),
        ]
    )
    app.router.redirect_slashes = False
    return app


def _unit(request: Request) -> int:
    """Returns how many of the unit that the client reads make a millisecond."""
    return 1000 if request.headers.get("x-mbx-time-unit", "").upper() == "MICROSECOND" else 1


def _milliseconds(moment: int | None) -> int | None:
    return moment // 1000 if moment is not None and moment >= _MICROSECONDS_FROM else moment


def _row(bar: Bar, unit: int) -> list[Any]:
    """Returns a bar as the service writes it. The file lacks the takers' side: half is taken for it."""
    amounts = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return [
        bar.open_time * unit,
        *map(_text, amounts),
        bar.next_time * unit - 1,
        _text(bar.quote_volume),
        bar.trades,
        _text(bar.volume / 2),
        _text(bar.quote_volume / 2),
        "0",
    ]


def _text(amount: Decimal) -> str:
    return f"{amount:.8f}"


def _symbols(values: dict[str, str]) -> list[str]:
    if "symbol" in values:
        return [values["symbol"]]
    try:
        names = json.loads(values.get("symbols", "[]"))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise refusals.invalid("symbols")
    return names


def _exchange_info(now: int, limit: int) -> dict[str, Any]:
    def rate(kind: str, interval: str, number: int, most: int) -> dict[str, Any]:
        return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": most}

    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": [
            rate("REQUEST_WEIGHT", "MINUTE", 1, limit),
            rate("ORDERS", "SECOND", 10, 100),
            rate("RAW_REQUESTS", "MINUTE", 5, 61000),
        ],
        "exchangeFilters": [],
        "symbols": [
            {
                "symbol": SYMBOL,
                "status": "TRADING",
                "baseAsset": "BTC",
                "baseAssetPrecision": 8,
                "quoteAsset": "USDT",
                "quotePrecision": 8,
                "quoteAssetPrecision": 8,
                "orderTypes": ["LIMIT", "MARKET"],
                "filters": [],
                "permissions": [],
                "permissionSets": [["SPOT"]],
            }
        ],
    }
