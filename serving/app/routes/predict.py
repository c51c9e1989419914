"""Predictions, as documented; `app.direct` answers most of them before they come here."""

from fastapi import APIRouter, Request, Response

from app.deps import PredictorDep
from app.responses import problem

router = APIRouter(tags=["model"])


@router.post(
    "/predict",
    responses={
        408: problem("The body did not come within BODY_SECONDS."),
        413: problem("The body is larger than MAX_BODY_BYTES."),
        429: problem(
            "Too many requests or large bodies are under way; come back after `Retry-After` seconds."
        ),
        503: problem("There is no model yet."),
    },
)
async def predict(request: Request, predictor: PredictorDep, probabilities: bool = False) -> Response:
    """Classifies samples: every feature of `/metadata`, and nothing else, in each.

    Case and outer blanks of a category do not matter. A category that training did not see is answered, and
    flagged.
    """
    answer = await predictor.answer(request.scope, request.receive, probabilities)
    return Response(answer, media_type="application/json")
