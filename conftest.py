"""How the tests of this checkout are run, beside the fixtures and servers of `quintet.testing`."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator
from typing import Any

import pytest

pytest_plugins = ["quintet.testing.fixtures"]
SLOWEST = 25
SERVERS = {"postgres_server", "s3_server", "mlflow_url", "image_registry"}
# Threads of BLAS and OpenMP wait for each other by spinning: with cores that other workers use too, a fit of
# 0.2 s took 9 s of CPU. Both read their number when they are first imported, so that no fixture can set it.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def pytest_addoption(parser: pytest.Parser) -> None:
    # The first hook of a run. What is imported from here to the end of the collection stays: to look for
    # garbage in it was a third of each worker's work before its first test.
    gc.disable()
    parser.addoption("--no-servers", action="store_true", help="leave out tests that need a server")


def pytest_configure(config: pytest.Config) -> None:
    # Every run says where its time goes.
    config.option.durations = config.option.durations or SLOWEST
    if config.pluginmanager.has_plugin("hypothesispytest"):
        from hypothesis import settings

        # The same examples in every run, in whatever time a busy machine takes.
        settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.scheduling import ByFile

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--no-servers"):
        left_out = [item for item in items if SERVERS & set(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if hasattr(config, "workerinput"):
        from tests.scheduling import longest_first

        longest_first(items)


@pytest.fixture
def forest_database(make_database: Callable[[str], str]) -> str:
    """The URL, as role `forest`, of a fresh database with the forest's tables."""
    return make_database("forest")
