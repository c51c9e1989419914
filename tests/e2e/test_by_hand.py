"""Steps that a person runs in their pods: again after each save, once, and on a table of theirs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from bench.edit_loop import copy_checkout, edited, import_roots
from quintet.kind.cluster import Platform
from quintet.local.processes import wait_until
from quintet.ops.kube import Kube
from quintet.ops.step_pod import BY
from tests.e2e import evidence
from tests.watched import FAILED, WAITS, Watched, replace, watched

STEP = "create_raw_table"
SECONDS = 60
ROWS = 500


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    return folder


def command(platform: Platform, checkout: Path, *words: str) -> tuple[list[str], dict[str, str], Path]:
    """`quintet step` of a checkout on the cluster of these tests."""
    own = platform.cluster
    variables = {
        "PYTHONPATH": import_roots(checkout),
        "QUINTET_CLUSTER": f"{own.name}:{own.registry_port}",
    }
    return (
        [sys.executable, "-m", "quintet", "--on", "cluster", "step", *words],
        os.environ | variables,
        checkout,
    )


@pytest.fixture
def creating(platform: Platform, checkout: Path) -> Iterator[Watched]:
    with watched(*command(platform, checkout, "--watch", "penguins", STEP)) as started:
        yield started


def pods(kube: Kube, *, on_their_way_out: bool = True) -> list[str]:
    """The pods of people, with or without those that are deleted and whose containers have yet to end."""
    found = kube.core.list_namespaced_pod(kube.tasks_namespace, label_selector=BY).items
    return [pod.metadata.name for pod in found if on_their_way_out or not pod.metadata.deletion_timestamp]


def test_a_saved_edit_is_what_the_next_pod_runs(kube: Kube, creating: Watched, checkout: Path) -> None:
    assert "penguins-create-raw-table ended with exit code 0" in creating.until(WAITS)
    file = checkout / f"pipelines/penguins/{STEP}.py"
    original = file.read_text()
    file.write_text(original + "def (\n")
    assert f"{STEP}.py:" in creating.until(FAILED)
    file.write_text(edited(original, STEP, "edited"))
    creating.until('"message": "edited"')
    creating.until(WAITS)
    replace(file, "info('edited')", "info('at work'); __import__('threading').Event().wait()")
    creating.until('"message": "at work"')
    (name,) = pods(kube, on_their_way_out=False)
    kube.core.delete_namespaced_pod(name, kube.tasks_namespace)
    assert "as its pod was taken away" in creating.until(WAITS)
    file.write_text(original)
    creating.until("exit code 0")
    assert creating.interrupt(SECONDS) == 130
    assert wait_until(lambda: not pods(kube), SECONDS)


def test_promotions_step_is_let_run_too_by_its_own_program(platform: Platform, checkout: Path) -> None:
    words, variables, folder = command(platform, checkout, "forest", "promote")
    with watched(words, variables, folder) as started:
        assert "EVALUATION_URI" in started.until("forest-promote ✗ ended with exit code 2")
        assert started.process.wait(SECONDS) == 2


def test_a_table_is_predicted_in_a_pod(kube: Kube, platform: Platform, checkout: Path) -> None:
    rows = evidence.samples(kube, ROWS)
    file = io.BytesIO()
    rows.to_parquet(file)
    with evidence.s3(kube) as client:
        client.put_object(Bucket="data", Key="forest/by-hand/rows.parquet", Body=file.getvalue())
    places = (
        "--input-uri",
        "s3://data/forest/by-hand/rows.parquet",
        "--output-uri",
        "s3://data/forest/by-hand",
    )
    with watched(*command(platform, checkout, "forest", "batch-predict", *places)) as started:
        started.until("forest-batch-predict ✓ ended with exit code 0")
    with evidence.s3(kube) as client:
        part = client.get_object(Bucket="data", Key="forest/by-hand/part-000000.parquet")["Body"].read()
    assert pd.read_parquet(io.BytesIO(part))["prediction"].tolist() == evidence.model_labels(kube, rows)
