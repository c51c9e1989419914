"""How the models of one pipeline are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bundle import Columns, Contract, Prediction, Split
from stepkit.promotion.metrics import Labels, Metric


@dataclass(frozen=True)
class TestRows:
    """The rows of a snapshot that no model was fitted on."""

    __test__ = False  # pytest: this is not a test

    columns: Columns
    labels: Labels
    parameters_sha256: str
    """The hash of what the snapshot's models are trained with."""
    moments: NDArray[Any] | None = None
    """When each row was, or was at the earliest, in milliseconds since 1970 UTC; None: time plays no part."""


def _no_objection(rows: TestRows, answers: Prediction) -> str | None:
    return None


def _not_known(contract: Contract) -> Split | None:
    return None


def _itself(snapshot_uri: str) -> list[str]:
    return [snapshot_uri]


@dataclass(frozen=True)
class Policy:
    """How the models of one pipeline are judged.

    Attributes:
        pipeline: its folder in S3.
        schema: of the tables `promotion_decisions` and `trainings`.
        metric: what a challenger must have more of than the champion.
        scores: every figure that is recorded of a model, the metric's among them.
        test_rows: the test rows of a snapshot, from its URI, a folder for files and its data hash.
        objection: a sentence that stands against a challenger whatever it gains, if there is one.
        unstated_split: the split of a bundle that states none, as it was made before bundles did.
        objects: the URIs of all objects of a snapshot, the snapshot's own first; their last parts differ.
        stated: what `objection` goes by, as JSON can hold it; the evaluation's document keeps it.
    """

    pipeline: str
    schema: str
    metric: Metric
    scores: Callable[[Labels, Prediction], dict[str, float]]
    test_rows: Callable[[str, Path, str], TestRows]
    objection: Callable[[TestRows, Prediction], str | None] = _no_objection
    unstated_split: Callable[[Contract], Split | None] = _not_known
    objects: Callable[[str], list[str]] = _itself
    stated: Mapping[str, Any] = field(default_factory=dict)

    def split(self, contract: Contract) -> Split | None:
        """Returns how the rows of a model were split, if that is known."""
        return contract.split or self.unstated_split(contract)
