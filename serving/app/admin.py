"""The application on the second port, for operators and Prometheus."""

import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

from app.champion import Champion
from app.head import Head
from app.metrics import Metrics
from app.responses import Reloaded, problem
from app.settings import Settings

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def create_admin_app(settings: Settings, champion: Champion, metrics: Metrics) -> FastAPI:
    """Builds the application of `POST /reload` and `GET /metrics`."""
    app = FastAPI(
        title=f"Inference: {settings.mlflow_model_name}, administration",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Head)

    @app.post(
        "/reload",
        responses={
            401: problem("The bearer token is not ADMIN_TOKEN."),
            409: problem("The champion is refused; the model in memory stays."),
            502: problem("The registry does not answer; the model in memory stays."),
        },
    )
    def reload(bearer: Bearer) -> Reloaded:
        """Asks the registry now, and tries a refused champion again."""
        _authorise(settings, bearer)
        before = champion.model
        champion.refresh(retry_refused=True)
        if not champion.registry_state.reachable:
            raise HTTPException(502, champion.registry_state.detail)
        if champion.refusal:
            raise HTTPException(409, f"The champion is refused: {champion.refusal.reason}")
        version = champion.version
        return Reloaded(
            model=version.name if version else None,
            version=version.version if version else None,
            changed=champion.model is not before,
        )

    @app.get("/metrics")
    def exposition() -> Response:
        """Returns the metrics in Prometheus' text format."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return app


def _authorise(settings: Settings, bearer: HTTPAuthorizationCredentials | None) -> None:
    expected = settings.admin_token
    if (
        expected is None
        or bearer is None
        or not secrets.compare_digest(bearer.credentials.encode(), expected.get_secret_value().encode())
    ):
        raise HTTPException(
            401, "POST /reload takes ADMIN_TOKEN as its bearer token.", {"WWW-Authenticate": "Bearer"}
        )
