"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from app.champion import Champion
from app.metrics import Metrics
from app.settings import Settings


def _settings(request: Request) -> Settings:
    return request.app.state.settings  # type: ignore[no-any-return]


def _champion(request: Request) -> Champion:
    return request.app.state.champion  # type: ignore[no-any-return]


def _metrics(request: Request) -> Metrics:
    return request.app.state.metrics  # type: ignore[no-any-return]


SettingsDep = Annotated[Settings, Depends(_settings)]
ChampionDep = Annotated[Champion, Depends(_champion)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
