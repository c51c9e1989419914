"""How the models of one pipeline are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bundle import Columns, Prediction
from stepkit.promotion.metrics import Labels, Metric


@dataclass(frozen=True)
class TestRows:
    """The rows of a snapshot that no model was fitted on."""

    __test__ = False  # pytest: this is no test

    columns: Columns
    labels: Labels
    parameters_sha256: str
    """The hash of what the snapshot's models are trained with."""


def _no_objection(rows: TestRows, answers: Prediction) -> str | None:
    return None


@dataclass(frozen=True)
class Contest:
    """How the models of one pipeline are judged.

    Attributes:
        pipeline: its folder in S3.
        schema: of the tables `promotion_decisions` and `trainings`.
        metric: what a challenger must have more of than the champion.
        scores: every figure that is recorded of a model, the metric's among them.
        test_rows: the test rows of a snapshot, from its URI, a folder for files and its data hash.
        objection: a sentence that stands against a challenger whatever it gains, if there is one.
    """

    pipeline: str
    schema: str
    metric: Metric
    scores: Callable[[Labels, Prediction], dict[str, float]]
    test_rows: Callable[[str, Path, str], TestRows]
    objection: Callable[[TestRows, Prediction], str | None] = _no_objection
