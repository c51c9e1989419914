"""The public application."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import RedirectResponse, Response
from fastapi_offline import FastAPIOffline
from pydantic_core import to_json
from starlette.types import ASGIApp

from app.body import REFERENCE
from app.champion import Champion
from app.direct import Direct
from app.head import Head
from app.measure import Measure
from app.metrics import Metrics
from app.model import ServedModel
from app.predictor import Predictor
from app.rendered import Rendered
from app.routes import health, metadata, predict
from app.settings import Settings


def create_app(settings: Settings, champion: Champion, metrics: Metrics) -> ASGIApp:
    """Builds the API; while it runs, `champion` follows the registry in a thread of its own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        # A daemon: the end of the process does not wait for a download.
        threading.Thread(target=champion.follow, args=(stop,), name="champion", daemon=True).start()
        yield
        stop.set()

    app = FastAPIOffline(
        title=f"Inference: {settings.mlflow_model_name}",
        summary="Answers with the registry's champion.",
        version="1.0.0",
        lifespan=lifespan,
        redirect_slashes=False,  # by the request's own Host, which leads wherever a client says
    )
    predictor = Predictor(settings, champion, metrics.counts)
    app.state.champion, app.state.predictor = champion, predictor
    app.state.report = metadata.report_of(champion)
    app.add_middleware(Measure, counts=metrics.counts)
    app.add_middleware(Head)
    for router in (health.router, metadata.router, predict.router):
        app.include_router(router)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    _describe(app, Rendered(lambda: (champion.model,), partial(_openapi, app)))
    return Direct(app, predictor, metrics.counts)


def _describe(app: FastAPI, document: Rendered) -> None:
    # FastAPI's own route renders the document at each request, which takes as long as a hundred predictions.
    app.router.routes[:] = [each for each in app.routes if getattr(each, "path", None) != app.openapi_url]

    @app.get(str(app.openapi_url), include_in_schema=False)
    async def openapi() -> Response:
        return Response(document(), media_type="application/json")


def _openapi(app: FastAPI, model: ServedModel | None) -> bytes:
    """Describes the API with the body that a model asks for, and its answer."""
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    request: dict[str, Any] = {"type": "object"}
    answer: dict[str, Any] = {"type": "object"}
    if model:
        request = (model.series or model.samples).json_schema()
        answer = model.answer.model_json_schema(ref_template=REFERENCE, mode="serialization")
    predict = document["paths"]["/predict"]["post"]
    predict["requestBody"] = {"required": True, "content": _content("PredictRequest")}
    predict["responses"]["200"]["content"] = _content("Predictions")
    schemas = document["components"]["schemas"]
    for name, schema in (("PredictRequest", request), ("Predictions", answer)):
        schemas |= schema.pop("$defs", {}) | {name: schema}
    return to_json(document)


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(model=schema)}}}
