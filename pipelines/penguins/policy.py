"""How penguin models are judged: by accuracy on the snapshot's test rows."""

from __future__ import annotations

from pathlib import Path

from bundle import Contract, Prediction, Split
from bundle.exporter import columns_of
from penguins import models
from penguins.schema import FEATURES, RECORD_SCHEMA, TARGET
from penguins.snapshot import SPLIT, fetch
from stepkit.promotion.metrics import Accuracy, Labels
from stepkit.promotion.policy import Policy, TestRows


def _scores(true: Labels, answers: Prediction) -> dict[str, float]:
    return models.scores(true, answers.labels)


def _test_rows(snapshot_uri: str, folder: Path, sha256: str) -> TestRows:
    snapshot = fetch(snapshot_uri, folder, sha256)
    test = snapshot.test
    return TestRows(columns_of(test[list(FEATURES)]), test[TARGET].to_numpy(), snapshot.parameters_sha256)


def _unstated_split(contract: Contract) -> Split:
    # There is one way to split, which bundles from before they said so were made with too.
    return SPLIT


POLICY = Policy("penguins", RECORD_SCHEMA, Accuracy(), _scores, _test_rows, unstated_split=_unstated_split)
