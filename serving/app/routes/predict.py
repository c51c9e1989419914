"""Predictions."""

import asyncio
from collections import Counter
from itertools import chain
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from app.deps import ChampionDep, MetricsDep, SettingsDep
from app.model import ServedModel
from app.responses import problem
from app.turns import TurnsDep
from bundle import Columns

AT_ONCE = 8
"""So many samples take a few milliseconds at most and need no thread; more would hold up the probes."""

router = APIRouter(tags=["model"])


@router.post(
    "/predict",
    responses={
        413: problem("The body is larger than MAX_BODY_BYTES."),
        429: problem("Too many large requests are waiting; come back after `Retry-After` seconds."),
        503: problem("There is no model yet."),
    },
)
async def predict(
    request: Request,
    champion: ChampionDep,
    settings: SettingsDep,
    metrics: MetricsDep,
    turns: TurnsDep,
    probabilities: bool = False,
) -> Response:
    """Classifies samples: every feature of `/metadata`, and nothing else, in each.

    Case and outer blanks of a category do not matter. A category that training did not see is answered, and
    flagged.
    """
    model = champion.model
    if model is None:
        raise HTTPException(503, "There is no model to answer with yet: see /metadata.", {"Retry-After": "5"})
    columns, samples = model.samples.columns(await _body(request, settings.max_body_bytes))
    if samples <= AT_ONCE:
        predictions = _answers(model, columns, probabilities)
    else:
        async with turns.turn():
            predictions = await asyncio.to_thread(_answers, model, columns, probabilities)
    for name, count in Counter(each["class_name"] for each in predictions).items():
        metrics.predictions.labels(name).inc(count)
    for feature, count in Counter(chain(*(each["unknown_categories"] for each in predictions))).items():
        metrics.unknown_categories.labels(feature).inc(count)
    version = model.version
    answer = model.answer(
        model=version.name, version=version.version, digest=version.digest, predictions=predictions
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def _answers(model: ServedModel, columns: Columns, with_probabilities: bool) -> list[dict[str, Any]]:
    target, labels = model.bundle.contract.target, model.bundle.contract.labels
    names = {label.value: label.name for label in labels}
    answer = model.bundle.predict(columns)
    flags = {feature: rows.tolist() for feature, rows in answer.unknown.items()}
    rows = answer.probabilities.tolist() if with_probabilities else [None] * len(answer.labels)
    return [
        {
            target: value,
            "class_name": names[value],
            "unknown_categories": [feature for feature, unknown in flags.items() if unknown[row]],
            "probabilities": shares and dict(zip(names.values(), shares, strict=True)),
        }
        for row, (value, shares) in enumerate(zip(answer.labels.tolist(), rows, strict=True))
    ]


async def _body(request: Request, limit: int) -> bytes:
    """Reads the body, and no more of it than the limit, whether its length was announced or not."""
    body = bytearray()
    announced = request.headers.get("content-length", "0")
    if int(announced) <= limit:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                break
        else:
            return bytes(body)
    raise HTTPException(413, f"The body is larger than {limit} bytes: send fewer samples at once.")
