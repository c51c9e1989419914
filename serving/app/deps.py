"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from app.champion import Champion
from app.predictor import Predictor
from app.rendered import Rendered


def _champion(request: Request) -> Champion:
    return request.app.state.champion  # type: ignore[no-any-return]


def _predictor(request: Request) -> Predictor:
    return request.app.state.predictor  # type: ignore[no-any-return]


def _report(request: Request) -> Rendered:
    return request.app.state.report  # type: ignore[no-any-return]


ChampionDep = Annotated[Champion, Depends(_champion)]
PredictorDep = Annotated[Predictor, Depends(_predictor)]
ReportDep = Annotated[Rendered, Depends(_report)]
