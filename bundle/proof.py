"""The proof that a bundle answers as the pipeline that it was made from: for training only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bundle.contract import Contract
from bundle.errors import BundleRefused
from bundle.exporter import UNSEEN, columns_of
from bundle.reader import Bundle

if TYPE_CHECKING:
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline

TOLERANCES = {"linear": 1e-12, "kernel_map": 1e-9, "forest": 1e-15, "xgboost": 1e-6}
"""How far a probability of each engine may be from the library's own.

Trees are added up in scikit-learn's order, so that only the factors of a balanced training may round. Scores
are sums in another order; those of a kernel map pass through differences of squares before. XGBoost answers
in float32.
"""
_DISTURBED_SHARE = 0.1
_ROWS_AT_ONCE = 20_000


def verify_against(pipeline: Pipeline, bundle: Bundle, frame: DataFrame) -> None:
    """Compares the bundle's labels and probabilities with the pipeline's on all rows, also disturbed ones.

    Where transforms make features of a row's fields, these are made once more and compared with the frame's.
    Disturbed rows have holes and categories that training did not see. Of a pipeline without probabilities,
    the softmax of its margins is compared. Probabilities may differ by `TOLERANCES`.

    Args:
        pipeline: fitted.
        bundle: made of it.
        frame: the features, and what the transforms of rows take.

    Raises:
        BundleRefused: one differs; names the row.
    """
    for start in range(0, len(frame), _ROWS_AT_ONCE):
        rows = frame.iloc[start : start + _ROWS_AT_ONCE]
        if bundle.inputs.rows:
            _compare_made(bundle, rows)
        _compare("row", pipeline, bundle, rows)
        _compare("disturbed row", pipeline, bundle, _disturbed(rows, bundle.contract))
    bundle.check_smoke()


def _compare_made(bundle: Bundle, rows: DataFrame) -> None:
    columns = columns_of(rows)
    try:
        different = bundle.inputs.difference(columns, columns)
    except ValueError as error:
        raise BundleRefused(f"the transforms do not take what training had: {error}") from error
    if different:
        at, name, made, had = different
        raise BundleRefused(
            f"row {rows.index[at]}: the transform {bundle.inputs.maker(name)} makes {name} {made!r}, training"
            f" had {had!r}; the model is not published"
        )


def _compare(kind: str, pipeline: Pipeline, bundle: Bundle, rows: DataFrame) -> None:
    answer = bundle.predict(columns_of(rows))
    labels, probabilities = pipeline.predict(rows), _probabilities(pipeline, rows)
    different = np.flatnonzero(answer.labels != labels)
    if different.size:
        at = int(different[0])
        raise BundleRefused(
            f"{kind} {rows.index[at]}: the bundle says {answer.labels[at]}, scikit-learn {labels[at]} "
            f"({different.size} of {len(rows)} differ); the model is not published"
        )
    if probabilities.shape != answer.probabilities.shape:
        raise BundleRefused(
            f"the bundle gives {answer.probabilities.shape[1]} probabilities a row, scikit-learn"
            f" {probabilities.shape[1]}; the model is not published"
        )
    tolerance = TOLERANCES[bundle.contract.engine.type]
    apart = np.abs(answer.probabilities - probabilities)
    # Whatever is not a number is not within the tolerance either.
    wrong = ~(apart <= tolerance)
    if wrong.any():
        at, label = divmod(int(wrong.argmax()), wrong.shape[1])
        value = bundle.contract.labels[label].value
        raise BundleRefused(
            f"{kind} {rows.index[at]}: the bundle gives class {value} the probability"
            f" {answer.probabilities[at, label]:.9f}, scikit-learn {probabilities[at, label]:.9f}"
            f" ({int(wrong.any(axis=1).sum())} of {len(rows)} rows are further apart than {tolerance:g});"
            " the model is not published"
        )


def _probabilities(pipeline: Pipeline, rows: DataFrame) -> NDArray[np.float64]:
    if hasattr(pipeline, "predict_proba"):
        return np.asarray(pipeline.predict_proba(rows), dtype=np.float64)
    margins = np.asarray(pipeline.decision_function(rows), dtype=np.float64)
    if margins.ndim == 1:  # two classes have one margin, the second's
        margins = np.column_stack([np.zeros_like(margins), margins])
    shares: NDArray[np.float64] = np.exp(margins - margins.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _disturbed(frame: DataFrame, contract: Contract) -> DataFrame:
    """Returns the rows with a tenth of each column missing and a tenth of each category unseen."""
    disturbed = frame.copy()
    generator = np.random.default_rng(0)
    for feature in contract.features:
        draw = generator.random(len(frame))
        if feature.type == "category":
            disturbed[feature.name] = disturbed[feature.name].mask(draw > 1 - _DISTURBED_SHARE, UNSEEN)
        disturbed[feature.name] = disturbed[feature.name].mask(draw < _DISTURBED_SHARE)
    return disturbed
