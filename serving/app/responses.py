"""The forms of answers, as OpenAPI shows them."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, create_model

Answer = TypeVar("Answer", bound=BaseModel)


class Problem(BaseModel):
    """Why a request got no answer, in one sentence."""

    detail: str


class Ready(BaseModel):
    """The process takes requests."""

    model: str | None = Field(default=None, description="null while there is no champion yet.")
    version: str | None = None


class Column(BaseModel):
    """One feature of the model."""

    name: str
    type: Literal["number", "category"]
    range: tuple[float, float] | None = Field(description="Least and greatest number in training.")
    categories: list[str] | None = Field(description="Categories in training.")
    nullable: bool = Field(
        description="Whether a sample may say null or leave it out, as rows of training lacked it too."
    )
    made_by: str | None = Field(
        description="The transform that makes it, so that no client sends it; null: a sample holds it."
    )


class InputField(BaseModel):
    """One field that a client sends for a transform."""

    name: str
    type: Literal["number", "integer", "text"]
    description: str
    nullable: bool = Field(description="Whether a sample may say null or leave it out.")


class TransformReport(BaseModel):
    """What makes features of what a client sends."""

    type: str
    inputs: list[InputField] = Field(description="What a sample, or an item of a series, holds for it.")


class ClassLabel(BaseModel):
    """One class that the model tells apart."""

    value: int
    name: str


class RefusedChampion(BaseModel):
    """A champion that did not prove good, so that an older model may be served."""

    version: str | None
    reason: str


class RegistryReport(BaseModel):
    """What the last look at the registry found."""

    reachable: bool
    detail: str
    refused: RefusedChampion | None


class ModelReport(BaseModel):
    """The model that is served; all of it null or empty while there is no champion."""

    model: str | None = None
    version: str | None = None
    digest: str | None = Field(default=None, description="sha256 that identifies the bundle.")
    run_id: str | None = None
    engine: str | None = None
    target: str | None = Field(default=None, description="What is predicted: the label's name in an answer.")
    transforms: list[TransformReport] = Field(
        default=[], description="What makes columns of what a request holds; the others it holds itself."
    )
    columns: list[Column] = []
    classes: list[ClassLabel] = []
    metrics: dict[str, float] = {}
    data_sha256: str | None = None
    loaded_at: datetime | None = None
    registry: RegistryReport


class Predictions(BaseModel, Generic[Answer]):
    """Answers in the order of the samples, all from one model version."""

    model: str
    version: str | None
    digest: str
    predictions: list[Answer]


def predictions_of(target: str) -> type[Predictions[Any]]:
    """Returns the form of a model's answers, in which the label bears the name of what is predicted.

    Args:
        target: that name, as the contract has it.
    """
    fields: dict[str, Any] = {
        target: (int, Field(description="The label of the most probable class.")),
        "class_name": (str, ...),
        "unknown_categories": (
            list[str],
            Field(description="Features whose category training did not see; the others decide."),
        ),
        "unknown_fields": (
            list[str],
            Field(description="Fields that are not features of this model, which did not read them."),
        ),
        "probabilities": (
            dict[str, float] | None,
            Field(default=None, description="By class name; only with `?probabilities=true`."),
        ),
    }
    prediction = create_model("Prediction", __doc__="The answer to one sample.", **fields)
    return Predictions[prediction]  # type: ignore[valid-type]


class Reloaded(BaseModel):
    """What is served after the registry was asked."""

    model: str | None
    version: str | None
    changed: bool


def problem(description: str) -> dict[str, Any]:
    """Returns OpenAPI's entry for a refusal."""
    return {"model": Problem, "description": description}
