"""The HTTP interface of the forest data API."""

import random
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field

from forest_api.middleware import HeadAndTrailingSlash
from forest_api.progress import AllBatchesServedError, Progress
from forest_api.samples import COLUMNS, CovertypeRows
from forest_api.settings import Settings, SliceBy

GROUPS = range(1, 11)
RESTART = "/restart_data_generation"
INVALID_GROUP = "Número de grupo inválido"
ALL_BATCHES_SERVED = "Ya se recolectó toda la información minima necesaria"

GroupNumber = Annotated[int, Query(description="1 to 10.", examples=[3])]


class Batch(BaseModel):
    """A random sample of the batch that the group has reached."""

    group_number: int
    batch_number: int = Field(description="0 to 9.")
    data: list[list[str]] = Field(description=f"Rows of {COLUMNS} strings, in the data set's column order.")


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str = Field(examples=[INVALID_GROUP, ALL_BATCHES_SERVED])


REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "No such group, or the group has had all its batches."}
}


def create_app(
    settings: Settings | None = None,
    rows: CovertypeRows | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Builds the API.

    Args:
        settings: Configuration; by default from the environment.
        rows: The data set; by default the file that comes with the package.
        clock: Unix time in seconds.
    """
    settings = settings or Settings()
    rows = rows or CovertypeRows()
    progress = Progress(settings.state_dir, settings.min_update_seconds, clock)
    app = FastAPIOffline(
        title="Forest data API",
        summary="Samples of the covertype data set, one batch after another.",
        version="1.0.0",
        redirect_slashes=False,
    )
    app.add_middleware(HeadAndTrailingSlash, unsafe=RESTART)

    @app.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/health")
    def health() -> dict[str, str]:
        """Reports that the process answers."""
        return {"status": "OK"}

    @app.get("/data", responses=REFUSED)
    def data(group_number: GroupNumber) -> Batch:
        """Draws a sample of the group's current batch; the batch moves on after the minimum update time."""
        _check(group_number)
        try:
            batch = progress.current_batch(group_number)
        except AllBatchesServedError:
            raise HTTPException(400, ALL_BATCHES_SERVED) from None
        slice_number = batch if settings.slice_by is SliceBy.BATCH else group_number
        seed = settings.sample_seed
        draw = random.Random(None if seed is None else f"{seed}/{group_number}/{batch}")  # noqa: S311
        return Batch(group_number=group_number, batch_number=batch, data=rows.sample(slice_number, draw))

    @app.get(RESTART, responses=REFUSED)
    def restart_data_generation(group_number: GroupNumber) -> list[str]:
        """Resets the group to batch 0."""
        _check(group_number)
        progress.restart(group_number)
        return ["ok"]

    return app


def _check(group_number: int) -> None:
    if group_number not in GROUPS:
        raise HTTPException(400, INVALID_GROUP)
