"""Fixtures that more than one folder of tests uses. A server starts when the first test asks for it.

What only the servers need is imported by whoever asks for one: a unit test runs in the environment of the
step that it is about, which holds no more than the step uses.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.places import RUN_FOLDER

if TYPE_CHECKING:
    from tests import services


SLOWEST = 25
SERVERS = {"postgres_server", "s3_server", "mlflow_url"}
# Threads of BLAS and OpenMP wait for each other by spinning: with cores that other workers use too, a fit of
# 0.2 s took 9 s of CPU. Both read their number when they are first imported, so that no fixture can set it.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_FOLDER = pytest.StashKey[Path]()
"""Where the process that began a run keeps that folder: no worker, nor a run inside another one."""


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
    if RUN_FOLDER not in os.environ:
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="quintet-tests-")
        config.stash[_FOLDER] = Path(os.environ[RUN_FOLDER])


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


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(_FOLDER, None):
        del os.environ[RUN_FOLDER]
        if any(folder.iterdir()):
            from tests import shared_servers

            shared_servers.end(folder)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> services.PostgresServer:
    from tests import shared_servers

    return shared_servers.postgres()


@pytest.fixture(scope="session")
def s3_server() -> services.S3Server:
    from tests import shared_servers

    return shared_servers.s3()


@pytest.fixture(scope="session")
def mlflow_url() -> str:
    from tests import shared_servers

    return shared_servers.mlflow_url()


@pytest.fixture
def database(postgres_server: services.PostgresServer) -> str:
    """The URL of a fresh, empty database."""
    return postgres_server.url(postgres_server.create_database())


@pytest.fixture
def bucket(s3_server: services.S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a fresh bucket; the environment leads boto3 to its server."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.create_bucket()


@pytest.fixture(scope="session")
def make_database(postgres_server: services.PostgresServer) -> Callable[[str], str]:
    """Returns the URL, as a pipeline's role, of a fresh database with the pipeline's tables."""
    from quintet.local.databases import OWNER
    from tests import pipeline_databases

    def make(pipeline: str) -> str:
        template = pipeline_databases.template(postgres_server, pipeline)
        name = postgres_server.create_database(template, OWNER)
        return postgres_server.url(name, pipeline)

    return make


@pytest.fixture
def forest_database(make_database: Callable[[str], str]) -> str:
    """The URL, as role `forest`, of a fresh database with the forest's tables."""
    return make_database("forest")
