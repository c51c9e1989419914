"""How forest-cover models are judged: by f1_macro on the snapshot's test rows."""

from __future__ import annotations

from pathlib import Path

from bundle import Contract, Prediction, Split
from bundle.exporter import columns_of
from forest import models
from forest.schema import SCHEMA
from forest.snapshot import FEATURES, SPLIT, TARGET, fetch
from stepkit.promotion.metrics import F1Macro, Labels
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


POLICY = Policy("forest", SCHEMA, F1Macro(), _scores, _test_rows, unstated_split=_unstated_split)
