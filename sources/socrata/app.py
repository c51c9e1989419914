"""The HTTP interface: `/resource/{id}.{json,csv}` and `/api/views/{id}.json`."""

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.middleware.gzip import GZipMiddleware

from socrata import answers, errors
from socrata.clock import Clock
from socrata.columns import DATASETS, Dataset
from socrata.crimes import Crimes
from socrata.errors import RefusedError
from socrata.settings import Settings
from socrata.soql import Query
from socrata.store import Store

TOKEN_HEADER = "X-App-Token"  # noqa: S105 - its name
_MINUTE = 60.0


def create_app(settings: Settings | None = None, ticks: Callable[[], float] = time.monotonic) -> FastAPI:
    """Builds the API.

    Args:
        settings: configuration; by default from the environment.
        ticks: seconds that the clock is driven by.
    """
    settings = settings or Settings()
    clock = Clock(settings.replay_now, settings.replay_speed, ticks)
    store = Store(Crimes(settings.rows_per_year, settings.sample_seed), clock.refreshed, settings.months)
    gate = Gate(settings, ticks)
    app = FastAPI(
        title="Chicago data by SODA 2.1 (synthetic)",
        version="2.1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(GZipMiddleware, compresslevel=1)

    @app.exception_handler(RefusedError)
    def refuse(request: Request, refusal: RefusedError) -> Response:
        return Response(refusal.body, refusal.status, media_type=answers.JSON_TYPE)

    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    def health() -> dict[str, str]:
        """Reports that the process answers."""
        return {"status": "ok", "now": clock.now().isoformat()}

    @app.head("/api/views/{name}", include_in_schema=False)
    @app.get("/api/views/{name}")
    def view(name: str, request: Request) -> Response:
        """Describes a data set."""
        gate.check(request)
        return JSONResponse(answers.metadata(_dataset(name.removesuffix(".json")), clock.refreshed()))

    @app.head("/resource/{name}", include_in_schema=False)
    @app.get("/resource/{name}")
    def resource(name: str, request: Request) -> Response:
        """Answers a query."""
        gate.check(request)
        identifier, _, form = name.partition(".")
        dataset = _dataset(identifier)
        query = Query.of(dataset, request.query_params)
        if gate.still_processing():
            return Response('{"status":"processing"}', 202, media_type=answers.JSON_TYPE)
        day = clock.refreshed()
        try:
            names, rows = store.select(query.sql(), query.arguments)
        except sqlite3.Error:
            raise errors.malformed(str(request.query_params)) from None
        columns = answers.columns_of(dataset, names)
        head = answers.headers(dataset, columns, day, str(request.url))
        if request.headers.get("If-None-Match") == head["ETag"]:
            return Response(status_code=304, headers=head)
        match form or "json":
            case "json":
                return StreamingResponse(answers.as_json(columns, rows), 200, head, answers.JSON_TYPE)
            case "csv":
                return StreamingResponse(answers.as_csv(columns, rows), 200, head, answers.CSV_TYPE)
            case _:
                raise errors.no_such_dataset(name)

    return app


class Gate:
    """Who may ask now: tokens, the shared limit of those without, and the queries that take a while."""

    def __init__(self, settings: Settings, ticks: Callable[[], float]) -> None:
        self._settings = settings
        self._ticks = ticks
        self._lock = Lock()
        self._asked: deque[float] = deque()
        self._queries = 0

    def check(self, request: Request) -> None:
        """Admits a request.

        Raises:
            RefusedError: its token is unknown, or it has none and too many were made within a minute.
        """
        token = request.headers.get(TOKEN_HEADER) or request.query_params.get("$$app_token")
        if token:
            if self._settings.known_tokens and token not in self._settings.known_tokens:
                raise errors.invalid_token()
            return
        if not self._settings.requests_per_minute:
            return
        with self._lock:
            now = self._ticks()
            while self._asked and now - self._asked[0] >= _MINUTE:
                self._asked.popleft()
            if len(self._asked) >= self._settings.requests_per_minute:
                raise errors.throttled()
            self._asked.append(now)

    def still_processing(self) -> bool:
        """Returns whether this query is one that is answered later."""
        every = self._settings.processing_every
        if not every:
            return False
        with self._lock:
            self._queries += 1
            return self._queries % every == 1 % every


def _dataset(identifier: str) -> Dataset:
    if identifier not in DATASETS:
        raise errors.no_such_dataset(identifier)
    return DATASETS[identifier]
