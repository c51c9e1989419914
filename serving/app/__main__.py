"""Serves the inference API: one process, the public port in one thread, administration in another."""

from __future__ import annotations

import logging
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from pydantic import ValidationError
from starlette.types import ASGIApp

from app.admin import create_admin_app
from app.bundle_cache import BundleCache
from app.champion import Champion
from app.connections import Full, Limits, allow_open_files, bounded
from app.latest_run import read_latest_run
from app.main import create_app
from app.metrics import Metrics, RequestCounts
from app.proof import ProofProcess
from app.registry import Registry
from app.server import Server
from app.settings import Settings

if TYPE_CHECKING:
    from app.record import Record

KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of common proxies, which else meet closed connections
GRACEFUL_SECONDS = 20
ADMIN_CONNECTIONS = 100
LOCK_SECONDS = 0.0005
"""So long may a large request keep Python's lock from small ones, a tenth of the time by default."""


def main() -> None:
    """Runs until SIGTERM; requests that are under way, or come on an open connection, are answered first."""
    sys.setswitchinterval(LOCK_SECONDS)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = Settings()  # type: ignore[call-arg]  # the environment has it
    except ValidationError as error:
        found = "; ".join(f"{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors())
        sys.exit(f"The environment cannot be used: {found}")
    metrics = Metrics()
    uri = settings.model_run_uri
    registry = Registry(settings, partial(read_latest_run, uri, settings.mlflow_model_name) if uri else None)
    cache = BundleCache(settings.bundle_cache_dir)

    try:
        champion = Champion(settings, registry, cache, metrics, ProofProcess(settings), _record(settings))
        allow_open_files(settings.max_connections)
        app = create_app(settings, champion, metrics)
    except ValueError as error:
        sys.exit(f"{error}.")
    admin_app = create_admin_app(settings, champion, metrics)
    admin = _config(settings, admin_app, settings.admin_port, ADMIN_CONNECTIONS, RequestCounts())
    socket = admin.bind_socket()
    threading.Thread(target=uvicorn.Server(admin).run, args=([socket],), name="admin", daemon=True).start()
    public = _config(settings, app, settings.port, settings.max_connections, metrics.counts)
    Server(public, settings.drain_seconds).run()


def _record(settings: Settings) -> Record | None:
    if settings.promotion_record_url is None:
        return None
    from app.record import Record  # a driver of Postgres, which the API does without where no record is asked

    return Record(settings)


def _config(
    settings: Settings, app: ASGIApp, port: int, connections: int, counts: RequestCounts
) -> uvicorn.Config:
    limits = Limits(connections, settings.head_seconds, settings.body_seconds, Full(app, counts), counts)
    return uvicorn.Config(
        app,
        host=settings.bind_host,
        port=port,
        loop="uvloop",
        http=bounded(limits),
        ws="none",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


if __name__ == "__main__":
    main()
