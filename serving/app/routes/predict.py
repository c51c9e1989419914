"""Predictions, as documented; `app.direct` answers most of them before they come here."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.deps import PredictorDep
from app.responses import problem

router = APIRouter(tags=["model"])


@router.post(
    "/predict",
    responses={
        400: problem("The body is packed by gzip, and no whole gzip."),
        401: problem("Clients have keys here, and the bearer token is not one."),
        408: problem("The body did not come within BODY_SECONDS."),
        413: problem("The body is larger than MAX_BODY_BYTES, as it came or unpacked."),
        415: problem("The body's Content-Encoding is not gzip."),
        429: problem(
            "Too many requests or large bodies are under way; come back after `Retry-After` seconds."
        ),
        503: problem("There is no model yet."),
    },
)
async def predict(
    request: Request,
    predictor: PredictorDep,
    probabilities: Annotated[bool, Query(description="Name each class's probability.")] = False,
    strict: Annotated[bool, Query(description="Refuse fields that are not features of the model.")] = False,
) -> Response:
    """Classifies samples, each with the features of `/metadata` that no transform makes and all inputs.

    A nullable feature may be null or left out. Case and outer blanks of a category do not matter, nor how its
    accents, dashes and blanks are encoded. A category that training did not see is answered and named in
    `unknown_categories`, a field that is not a feature in `unknown_fields`.
    """
    answer = await predictor.answer(request.scope, request.receive, probabilities, strict)
    return Response(answer, media_type="application/json")
