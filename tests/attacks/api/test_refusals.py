"""A refusal costs no more than an answer, whatever is wrong with a body."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.exceptions import RequestValidationError

import bundle
from app.micro_batch import MicroBatch
from app.model import ServedModel
from app.registry import ModelVersion
from tests.attacks.api.conftest import FEATURES

SAMPLE = dict.fromkeys(FEATURES, 0.25)
OTHERS = {f"field_{at}": 1 for at in range(60_000)}


@pytest.fixture(scope="module")
def model(sound: Path) -> ServedModel:
    loaded = bundle.load(sound)
    return ServedModel.load(ModelVersion("forest", "1", "run1", loaded.digest), sound, 1000)


def least_seconds(*calls: Callable[[], object]) -> list[float]:
    """The time of the processor for each call, the least of 30 rounds in which they take turns."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(30):
        for call, taken in zip(calls, times, strict=True):
            start = time.thread_time()
            call()
            taken.append(time.thread_time() - start)
    return [min(taken) for taken in times]


def answered(model: ServedModel, body: bytes) -> None:
    samples, unknown = model.samples.read(body)
    MicroBatch.of(model, samples).answer(0, len(samples), unknown, False)


@pytest.mark.parametrize(
    ("body", "like"),
    [
        ({"samples": [{}] * 1000}, {"samples": [SAMPLE] * 1000}),
        ({"samples": [None] * 1000}, {"samples": [SAMPLE] * 1000}),
        ({"samples": [{name: [] for name in FEATURES}] * 1000}, {"samples": [SAMPLE] * 1000}),
        ({"samples": [SAMPLE] * 999 + [{}]}, {"samples": [SAMPLE] * 1000}),
        ({"samples": [SAMPLE], **OTHERS}, {"samples": [{**SAMPLE, **OTHERS}]}),
        ({"samples": [{**SAMPLE, **OTHERS}]}, {"samples": [{**SAMPLE, **OTHERS}]}),
    ],
    ids=["empty", "null", "of wrong types", "the last one empty", "unknown beside", "unknown, strict"],
)
def test_a_refusal_costs_no_more_than_an_answer(model: ServedModel, body: object, like: object) -> None:
    at_fault, good = json.dumps(body).encode(), json.dumps(like).encode()
    found: list[RequestValidationError] = []

    def refused() -> None:
        try:
            model.samples.read(at_fault, strict=True)
        except RequestValidationError as error:
            found.append(error)

    refusing, answering = least_seconds(refused, lambda: answered(model, good))
    assert 1 <= len(found[-1].errors()) <= 21
    assert refusing <= 1.5 * answering


def test_all_errors_are_named_up_to_the_limit(model: ServedModel) -> None:
    wrong = {**SAMPLE, FEATURES[0]: "one"}
    misspelt = {("nummer_1" if name == FEATURES[1] else name): 0.25 for name in FEATURES}
    with pytest.raises(RequestValidationError) as refusal:
        model.samples.read(json.dumps({"samples": [SAMPLE, wrong, SAMPLE, misspelt]}).encode(), strict=True)
    assert [(each["type"], each["loc"][2:]) for each in refusal.value.errors()] == [
        ("float_type", [1, "number_0"]),
        ("missing", [3, "number_1"]),
        ("extra_forbidden", [3, "nummer_1"]),
    ]
