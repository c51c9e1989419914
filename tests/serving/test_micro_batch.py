"""Requests that come together are computed together, and each gets its own answer."""

import asyncio
import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.exceptions import RequestValidationError
from numpy.typing import NDArray

from app import micro_batch
from app.metrics import RequestCounts
from app.model import ServedModel
from app.predictor import Predictor
from app.registry import ModelVersion
from app.settings import Settings
from tests.serving.conftest import Trained

Samples = list[dict[str, float | str]]


class Champion:
    """Stands for `app.champion`, whose model a test chooses."""

    def __init__(self, model: ServedModel) -> None:
        self.model = model


class Engine:
    """Passes matrices on to an engine and notes how many rows each had."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.rows: list[int] = []

    def predict_proba(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        self.rows.append(len(matrix))
        answer: NDArray[np.float64] = self._engine.predict_proba(matrix)
        return answer


def served(trained: Trained, version: str = "1") -> tuple[ServedModel, Engine]:
    model = ServedModel.load(ModelVersion("forest", version, "run", trained.digest), trained.folder, 1000)
    engine = Engine(model.bundle.engine)
    object.__setattr__(model.bundle, "engine", engine)
    return model, engine


async def ask(predictor: Predictor, samples: Samples, *, probabilities: bool = True) -> dict[str, Any]:
    body = json.dumps({"samples": samples}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"headers": [(b"content-length", str(len(body)).encode())]}
    answer: dict[str, Any] = json.loads(await predictor.answer(scope, receive, probabilities))
    return answer


@pytest.fixture(params=["forest", "linear"])
def model(request: pytest.FixtureRequest, trained: dict[str, Trained]) -> tuple[ServedModel, Engine]:
    return served(trained[request.param])


@pytest.fixture
def predictor_of() -> Callable[[ServedModel], Predictor]:
    return lambda model: Predictor(Settings(mlflow_model_name="forest"), Champion(model), RequestCounts())  # type: ignore[arg-type]


def test_requests_that_come_together_are_one_call_and_get_what_they_get_alone(
    model: tuple[ServedModel, Engine], predictor_of: Callable[[ServedModel], Predictor], samples: Samples
) -> None:
    served_model, engine = model
    predictor = predictor_of(served_model)
    new = {**samples[0], "soil_type": "of the moon", "orbit": 3}
    bodies = [samples[:1], [samples[1], new, samples[2]], [new], samples[3:5]]

    async def together() -> list[dict[str, Any]]:
        return await asyncio.gather(
            *(ask(predictor, body, probabilities=at != 3) for at, body in enumerate(bodies))
        )

    answers = asyncio.run(together())
    assert engine.rows == [7]
    for at, (body, answer) in enumerate(zip(bodies, answers, strict=True)):
        alone = asyncio.run(ask(predictor, body, probabilities=at != 3))
        assert len(answer["predictions"]) == len(body)
        for one, other in zip(answer["predictions"], alone["predictions"], strict=True):
            found, expected = one.pop("probabilities"), other.pop("probabilities")
            assert one == other
            # BLAS adds up a row of its own in another order than a row among others.
            assert found == (pytest.approx(expected, rel=0, abs=1e-12) if expected else None)
    unknown = [[each["unknown_categories"] for each in answer["predictions"]] for answer in answers]
    assert unknown == [[[]], [[], ["soil_type"], []], [["soil_type"]], [[], []]]
    fields = [[each["unknown_fields"] for each in answer["predictions"]] for answer in answers]
    assert fields == [[[]], [[], ["orbit"], []], [["orbit"]], [[], []]]


def test_a_faulty_request_is_refused_alone(
    model: tuple[ServedModel, Engine], predictor_of: Callable[[ServedModel], Predictor], samples: Samples
) -> None:
    served_model, engine = model
    predictor = predictor_of(served_model)

    async def together() -> list[Any]:
        bodies = [samples[:1], [{}], samples[1:2]]
        return await asyncio.gather(*(ask(predictor, body) for body in bodies), return_exceptions=True)

    first, refused, last = asyncio.run(together())
    assert isinstance(refused, RequestValidationError)
    assert len(first["predictions"]) == len(last["predictions"]) == 1
    assert engine.rows == [2]


def test_a_champion_that_comes_between_two_requests_answers_the_second_alone(
    trained: dict[str, Trained], predictor_of: Callable[[ServedModel], Predictor], samples: Samples
) -> None:
    (old, old_engine), (new, new_engine) = served(trained["forest"]), served(trained["linear"], "2")
    predictor = predictor_of(old)
    champion = predictor._champion

    async def swapped() -> dict[str, Any]:
        champion.model = new
        return await ask(predictor, samples[:1])

    async def together() -> list[dict[str, Any]]:
        return await asyncio.gather(ask(predictor, samples[:1]), swapped(), ask(predictor, samples[1:2]))

    answers = asyncio.run(together())
    assert [answer["version"] for answer in answers] == ["1", "2", "2"]
    assert [answer["digest"] for answer in answers] == [old.version.digest] + [new.version.digest] * 2
    assert (old_engine.rows, new_engine.rows) == ([1], [2])


def test_a_call_takes_no_more_than_its_most_samples(
    model: tuple[ServedModel, Engine],
    predictor_of: Callable[[ServedModel], Predictor],
    samples: Samples,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(micro_batch, "MOST_SAMPLES", 4)
    served_model, engine = model
    predictor = predictor_of(served_model)

    async def together() -> list[dict[str, Any]]:
        return await asyncio.gather(*(ask(predictor, samples[at : at + 2]) for at in range(5)))

    answers = asyncio.run(together())
    assert engine.rows == [4, 4, 2]
    assert all(len(answer["predictions"]) == 2 for answer in answers)


def test_an_engine_that_fails_fails_those_who_asked_it_and_nobody_after(
    model: tuple[ServedModel, Engine],
    predictor_of: Callable[[ServedModel], Predictor],
    samples: Samples,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served_model, engine = model
    predictor = predictor_of(served_model)

    def fail(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        raise MemoryError

    async def together() -> list[Any]:
        return await asyncio.gather(
            *(ask(predictor, samples[at : at + 1]) for at in range(3)), return_exceptions=True
        )

    with monkeypatch.context() as patched:
        patched.setattr(engine, "predict_proba", fail)
        assert [type(each) for each in asyncio.run(together())] == [MemoryError] * 3
    assert [len(each["predictions"]) for each in asyncio.run(together())] == [1] * 3
    assert engine.rows == [3]


def test_a_champion_that_is_gone_is_kept_by_nobody(
    trained: dict[str, Trained], predictor_of: Callable[[ServedModel], Predictor], samples: Samples
) -> None:
    old, _ = served(trained["forest"])
    gone = weakref.ref(old)
    predictor = predictor_of(old)
    asyncio.run(ask(predictor, samples[:1]))
    predictor._champion.model = None
    del old
    gc.collect()
    assert gone() is None
