"""Two pipelines in repositories of their own, one with a model: they come and go, nothing else restarts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from quintet.kind.cluster import Platform
from quintet.ops.kube import Kube
from tests.e2e.own_repository import (
    as_owner,
    changed_files,
    in_postgres,
    left_of,
    objects,
    quintet,
    rows,
    servers,
)

FIRST, SECOND = "weather", "tides"


@dataclass(frozen=True)
class World:
    """What has to stay as it was: the pods that serve, and the files of the checkout."""

    servers: dict[str, tuple[str, int]]
    files: str


@pytest.fixture(scope="module")
def before(kube: Kube, platform: Platform) -> World:
    return World(servers(kube), changed_files())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder outside of the checkout."""
    return tmp_path_factory.mktemp("team")


def typed(folder: Path, *words: str, fails: bool = False) -> str:
    """Run a command in a folder, print what it took, and return what it says."""
    begun = time.monotonic()
    said = quintet(folder, *words, fails=fails)
    print(f"  {time.monotonic() - begun:5.1f} s  quintet {' '.join(words)}")
    return said


def predicted(folder: Path) -> list[object]:
    """What the second repository's model makes of its example, asked from inside the cluster."""
    said = typed(folder, "--on", "cluster", "predict", SECOND)
    return list(json.loads(said[said.index("{") :])["predictions"])


def test_a_new_repository_is_deployed_and_its_dag_runs(
    kube: Kube, platform: Platform, folder: Path, before: World
) -> None:
    (folder / "first").mkdir()
    typed(folder / "first", "new", FIRST)
    typed(folder / "first", "deploy")
    typed(
        folder / "first", "--on", "cluster", "run", f"{FIRST}_observations", "--param", "readings=roof,21.5"
    )
    assert rows(kube, FIRST) == 1
    assert servers(kube, FIRST) == before.servers


def test_a_schema_of_nobody_is_refused_before_anything_is_made(
    kube: Kube, platform: Platform, folder: Path, before: World
) -> None:
    (folder / "second").mkdir()
    typed(folder / "second", "new", SECOND, "--kind", "train")
    as_owner(kube, f"CREATE SCHEMA {SECOND}")
    said = typed(folder / "second", "deploy", fails=True)
    as_owner(kube, f"DROP SCHEMA {SECOND}")
    assert f"The schema {SECOND} is there already and not of the pipeline {SECOND}" in said
    assert left_of(kube, platform, SECOND) == []
    assert in_postgres(kube, SECOND) == (False, False)


def test_a_second_beside_it_restarts_nothing_and_its_model_predicts(
    kube: Kube, platform: Platform, folder: Path, before: World
) -> None:
    of_first = left_of(kube, platform, FIRST)
    typed(folder / "second", "deploy")
    typed(folder / "second", "--on", "cluster", "run", f"{SECOND}_training")
    assert predicted(folder / "second")
    assert rows(kube, FIRST) == 1
    assert set(of_first) <= set(left_of(kube, platform, FIRST))
    assert servers(kube, FIRST, SECOND) == before.servers


def test_what_is_taken_away_leaves_its_data_and_nothing_else(
    kube: Kube, platform: Platform, folder: Path, before: World
) -> None:
    typed(folder / "first", "undeploy")
    assert left_of(kube, platform, FIRST) == []
    assert in_postgres(kube, FIRST) == (True, False)
    assert rows(kube, FIRST) == 1
    assert objects(kube, FIRST) > 0
    assert predicted(folder / "second")
    assert servers(kube, SECOND) == before.servers


def test_with_data_nothing_is_left(kube: Kube, platform: Platform, folder: Path, before: World) -> None:
    typed(folder / "second", "undeploy", "--with-data")
    assert left_of(kube, platform, SECOND) == []
    assert in_postgres(kube, SECOND) == (False, False)
    assert objects(kube, SECOND) == 0
    assert servers(kube) == before.servers
    assert changed_files() == before.files
