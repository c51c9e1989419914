"""Each engine answers as scikit-learn does; whatever no engine can answer is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import bundle
from bundle.fitted import columns_of

Export = Callable[..., Path]
CLASSIFIERS = {
    "linear": [LogisticRegression(max_iter=200)],
    "forest": [RandomForestClassifier(12, random_state=0)],
    "kernel_map": [Nystroem(gamma=0.1, n_components=40, random_state=0), LinearSVC()],
}


def preprocessing(numbers: list[str], categories: list[str], *, scaled: bool = True) -> ColumnTransformer:
    imputer = SimpleImputer(strategy="median")
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(imputer, StandardScaler()) if scaled else imputer, numbers),
            ("categories", make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), categories),
        ]
    )


@pytest.fixture
def disturbed(samples: pd.DataFrame) -> pd.DataFrame:
    """Rows that were not fitted on, most with missing values or unseen categories."""
    rows = samples[2000:].astype({"elevation": float, "slope": float})
    generator = np.random.default_rng(3)
    for name in rows.columns:
        rows[name] = rows[name].mask(generator.random(len(rows)) < 0.2)
    rows.loc[rows.index[::7], "soil_type"] = "C0000"
    return rows


@pytest.mark.parametrize("engine", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 7])
def test_an_engine_answers_as_scikit_learn(
    engine: str,
    classes: int,
    samples: pd.DataFrame,
    cover_types: pd.Series,
    disturbed: pd.DataFrame,
    export: Export,
) -> None:
    target = cover_types % classes
    steps = [preprocessing(["elevation", "slope"], ["soil_type"]), *CLASSIFIERS[engine]]
    fitted = make_pipeline(*steps).fit(samples[:2000], target[:2000])
    opened = bundle.load(export(fitted))
    assert opened.contract.engine.type == engine
    for rows in (samples[2000:], disturbed):
        answer = opened.predict(columns_of(rows))
        assert answer.labels.tolist() == fitted.predict(rows).tolist()
        np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1)
        if engine != "kernel_map":
            np.testing.assert_allclose(answer.probabilities, fitted.predict_proba(rows), rtol=0, atol=1e-15)
    bundle.verify_against(fitted, opened, samples[2000:])


def test_a_forest_keeps_to_thresholds_that_float32_cannot_hold(export: Export) -> None:
    """Neighbouring float32 values have a float64 threshold between them."""
    values = np.float32(16_777_216) + np.arange(200, dtype=np.float64)
    rows = pd.DataFrame({"x": values})
    target = pd.Series((values % 3 == 0).astype(int))
    pipeline = make_pipeline(
        ColumnTransformer([("numbers", SimpleImputer(), ["x"])]), RandomForestClassifier(8, random_state=0)
    ).fit(rows, target)
    opened = bundle.load(export(pipeline, rows))
    assert opened.predict(columns_of(rows)).labels.tolist() == pipeline.predict(rows).tolist()


def test_a_tree_that_is_one_leaf_answers(
    samples: pd.DataFrame, cover_types: pd.Series, export: Export
) -> None:
    forest = RandomForestClassifier(3, min_samples_leaf=1500, random_state=0)
    pipeline = make_pipeline(preprocessing(["elevation", "slope"], ["soil_type"], scaled=False), forest)
    pipeline.fit(samples[:2000], cover_types[:2000])
    opened = bundle.load(export(pipeline))
    expected = pipeline.predict_proba(samples)
    np.testing.assert_array_equal(opened.predict_proba(columns_of(samples)), expected)


def test_rows_in_many_blocks_answer_as_in_one(
    fitted: Pipeline, samples: pd.DataFrame, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = bundle.load(export(fitted))
    whole = opened.predict_proba(columns_of(samples))
    monkeypatch.setattr(type(opened.engine), "_WALKS_AT_ONCE", 100)
    np.testing.assert_array_equal(opened.predict_proba(columns_of(samples)), whole)


@pytest.mark.parametrize(
    ("columns", "steps", "sentence"),
    [
        (None, [GaussianNB()], "no engine computes GaussianNB"),
        (None, [Nystroem(kernel="poly"), LinearSVC()], "no engine computes Nystroem > LinearSVC"),
        (MinMaxScaler(), [LogisticRegression()], "the transformer 'columns' is MinMaxScaler"),
        (OneHotEncoder(), [LogisticRegression()], "the transformer 'columns' is OneHotEncoder"),
        (
            make_pipeline(SimpleImputer(), OneHotEncoder(handle_unknown="error")),
            [LogisticRegression()],
            "handle_unknown='ignore'",
        ),
    ],
)
def test_what_no_bundle_can_hold_is_refused(
    columns: Any,
    steps: list[Any],
    sentence: str,
    samples: pd.DataFrame,
    cover_types: pd.Series,
    export: Export,
) -> None:
    first = ColumnTransformer([("columns", columns or SimpleImputer(), ["elevation", "slope"])])
    pipeline = make_pipeline(first, *steps).fit(samples, cover_types)
    with pytest.raises(bundle.BundleRefused, match=sentence):
        export(pipeline)


def test_a_bundle_of_another_model_is_refused(
    fitted: Pipeline, samples: pd.DataFrame, cover_types: pd.Series, export: Export
) -> None:
    opened = bundle.load(export(fitted))
    other = make_pipeline(*(step for _, step in fitted.steps)).fit(samples, (cover_types + 1) % 7)
    with pytest.raises(
        bundle.BundleRefused, match=r"row \d+: the bundle says \d, scikit-learn \d .* not published"
    ):
        bundle.verify_against(other, opened, samples)
