"""FastAPI and scikit-learn, as most people write it."""

from fastapi import FastAPI
from pydantic import BaseModel

from bench.serving.peers.answering import load


class Sample(BaseModel):
    """One row."""

    elevation: float
    aspect: float
    slope: float
    horizontal_distance_to_hydrology: float
    vertical_distance_to_hydrology: float
    horizontal_distance_to_roadways: float
    hillshade_9am: float
    hillshade_noon: float
    hillshade_3pm: float
    horizontal_distance_to_fire_points: float
    wilderness_area: str
    soil_type: str


class Request(BaseModel):
    """Rows to classify."""

    samples: list[Sample]


app = FastAPI()
predict = load()


@app.post("/predict")
async def answer(request: Request) -> dict[str, list[int]]:
    """Classifies rows; `async` since it is faster here than a thread for each request."""
    return {"predictions": predict([sample.model_dump() for sample in request.samples])}
