"""A small model, written by hand, a registry that holds it, and the API over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from bundle import Contract, Engine, Feature, Label, write
from bundle.reader import bundle_digest
from stepkit import postgres
from stepkit.promotion.decisions import Decision, Decisions, Model, Outcome
from stepkit.settings import Run, Settings
from tests import services
from tests.roles import as_promotion, as_serving
from tests.serving.conftest import Api, Server, api, loop, registry, start, started
from tests.serving.registry_server import Registry, serve

__all__ = ["api", "loop", "registry", "start"]

FEATURES = tuple(f"number_{at}" for at in range(12))
# One tree: two inner nodes and three leaves of two classes.
TREE: dict[str, NDArray[Any]] = {
    "roots": np.array([0], np.int32),
    "left": np.array([1, -1], np.int32),
    "right": np.array([-2, -3], np.int32),
    "feature": np.array([0, 1], np.uint8),
    "threshold": np.array([0.5, 0.5]),
    "distributions": np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]),
}
Asking = Callable[[], Api]
ROWS = pd.DataFrame(np.random.default_rng(3).uniform(0, 1, (20, len(FEATURES))), columns=list(FEATURES))


def contract(**changes: Any) -> Contract:
    """The model's contract, of which some parts may be others."""
    parts: dict[str, Any] = {
        "model": "forest",
        "target": "kind",
        "engine": Engine("forest", {}),
        "features": tuple(Feature(name, "number", imputed=0.0) for name in FEATURES),
        "labels": (Label(0, "no"), Label(1, "yes")),
        "metrics": {},
        "data_sha256": "d" * 64,
        "versions": {},
    }
    return Contract(**parts | changes)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the model."""
    folder = tmp_path_factory.mktemp("sound") / "bundle"
    write(folder, contract(), TREE, ROWS)
    return folder


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another bundle than the sound one."""
    folder = tmp_path_factory.mktemp("other") / "bundle"
    write(folder, contract(metrics={"accuracy": 0.9}), TREE, ROWS)
    return folder


@pytest.fixture
def decide(forest_database: str) -> Callable[..., None]:
    """Writes what a promotion has decided on the run of a version, as the role that may."""

    def write_down(version: int, bundle: Path, outcome: Outcome = "promoted", model: str = "forest") -> None:
        run = Run("training", f"{outcome} {version}")
        settings = Settings(run, as_promotion(forest_database), model_name=model)
        decision = Decision(
            outcome, "a test", Model("forest", f"run{version}", bundle_digest(bundle), "d"), None
        )
        with postgres.transaction(settings) as rows:
            Decisions(rows, settings, "forest").record(decision)

    return write_down


@pytest.fixture
def asking(api: Callable[..., Api], forest_database: str) -> Asking:
    """Makes the API, which asks registry and record; all of a test share the cache on disk."""
    return lambda: api(promotion_record_url=as_serving(forest_database))


@pytest.fixture(scope="session")
def server(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API as a process, which serves the model to all tests here."""
    with serve(Registry()) as held, ExitStack() as running:
        held.promote(1, sound)
        folder = tmp_path_factory.mktemp("server")
        made = started(running, folder, held.url, HEAD_SECONDS="30", BODY_SECONDS="30")
        assert services.wait_until(lambda: made.version() == "1", 60)
        yield made


def version(asked: Api) -> str | None:
    found: str | None = asked.client.get("/metadata").json()["version"]
    return found


def refused(asked: Api) -> dict[str, str]:
    found: dict[str, str] = asked.client.get("/metadata").json()["registry"]["refused"]
    return found
