"""How arrest models are judged: by average precision on the test rows, which must beat knowing nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bundle import Contract, Prediction, Split
from bundle.exporter import columns_of
from crime import models
from crime.schema import FEATURES, OCCURRED_AT, SCHEMA, TARGET, TEST_SHARE
from crime.stage import TEST, Document, read
from stepkit.errors import Code, InvalidInput
from stepkit.promotion.metrics import AveragePrecision, Labels
from stepkit.promotion.policy import Policy, TestRows
from stepkit.s3 import ObjectStore


def _scores(true: Labels, answers: Prediction) -> dict[str, float]:
    return models.scores(true, answers.labels, answers.probabilities[:, 1])


def _test_rows(snapshot_uri: str, folder: Path, sha256: str) -> TestRows:
    split = Document.from_json(ObjectStore().get(snapshot_uri), snapshot_uri)
    if split.data_sha256 != sha256:
        raise InvalidInput(
            f"{snapshot_uri} has the data hash {split.data_sha256}, not {sha256}: run the DAG again",
            Code.INPUT_REPLACED,
            file=snapshot_uri,
        )
    test = read(split.files[TEST], folder)
    # All rows count or none does: a part of the window would have another share of arrests.
    begin = split.fitted["split"].get("test_from")
    return TestRows(
        columns_of(test[[OCCURRED_AT, *FEATURES]]),
        test[TARGET].to_numpy(),
        split.parameters_sha256,
        None if begin is None else np.full(len(test), begin),
    )


def _objection(rows: TestRows, answers: Prediction) -> str | None:
    found = _scores(rows.labels, answers)
    if found["average_precision"] > found["base_rate"]:
        return None
    return (
        f"average_precision {found['average_precision']:.4f} does not exceed the share of arrests,"
        f" {found['base_rate']:.4f}, which a model that knows nothing has"
    )


def _unstated_split(contract: Contract) -> Split:
    # A bundle from before they said so counts as made with the default.
    return models.split_of({"split": "stratified", "test_share": TEST_SHARE})


def _objects(snapshot_uri: str) -> list[str]:
    """Returns the document of the split and its files, which the next run of the month replaces."""
    split = Document.from_json(ObjectStore().get(snapshot_uri), snapshot_uri)
    return [snapshot_uri, *(file.uri for file in split.files.values())]


POLICY = Policy(
    "crime", SCHEMA, AveragePrecision(), _scores, _test_rows, _objection, _unstated_split, _objects
)
