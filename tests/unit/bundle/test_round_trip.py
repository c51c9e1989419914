"""Whatever table a model was fitted on, and whatever rows it is asked: its bundle answers as scikit-learn."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import bundle
from bundle.exporter import columns_of
from bundle.proof import TOLERANCES

NUMBERS, WORDS = ["height", "depth"], ["soil", "shade"]
NAMES = {0: "none", 3: "some", 7: "all"}
MODELS = {
    "linear": (LogisticRegression(max_iter=50), StandardScaler()),
    "forest": (RandomForestClassifier(3, random_state=0), "passthrough"),
}
LEAST_ROWS = len(NAMES)
"""Of a table: one for each label."""


def rows(words: str, least: int) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    number = st.none() | st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3).map(float)
    word = st.none() | st.sampled_from(words)
    return st.lists(st.tuples(number, number, word, word), min_size=least, max_size=25)


def table(found: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(found, columns=[*NUMBERS, *WORDS])
    return frame.astype({**dict.fromkeys(NUMBERS, float), **dict.fromkeys(WORDS, object)}).fillna(np.nan)


def fitted(engine: str, found: list[tuple[Any, ...]]) -> tuple[Pipeline, pd.DataFrame]:
    # A column without any value is nothing that a model can be fitted on.
    frame = table([(0.5, -2.0, "a", "b"), *found])
    classifier, scaler = MODELS[engine]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), scaler), NUMBERS),
        ("words", make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), WORDS),
    ]
    if scaler == "passthrough":
        columns[0] = ("numbers", SimpleImputer(), NUMBERS)
    labels = [tuple(NAMES)[at % len(NAMES)] for at in range(len(frame))]
    return make_pipeline(ColumnTransformer(columns), classifier).fit(frame, labels), frame


@pytest.mark.parametrize("engine", MODELS)
@settings(max_examples=15)
@given(known=rows("abc", LEAST_ROWS), asked=rows("abcdé", 1))
def test_a_bundle_answers_as_the_model_that_was_fitted(
    engine: str, known: list[tuple[Any, ...]], asked: list[tuple[Any, ...]]
) -> None:
    pipeline, frame = fitted(engine, known)
    question = table(asked)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bundle")
        digest = bundle.export(
            pipeline,
            frame,
            path,
            model="toy",
            target="plants",
            label_names=NAMES,
            metrics={},
            data_sha256="d" * 64,
        )
        opened = bundle.load(path, expected_digest=digest)
        opened.check_smoke()
        answer = opened.predict(columns_of(question))
    expected = pipeline.predict_proba(question)
    np.testing.assert_allclose(answer.probabilities, expected, rtol=0, atol=TOLERANCES[engine])
    # Of classes that are as probable as each other but for rounding, each side may name its own.
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * TOLERANCES[engine]
    assert answer.labels[clear].tolist() == pipeline.predict(question)[clear].tolist()
    assert [label.name for label in opened.contract.labels] == list(NAMES.values())
    for name in WORDS:
        seen = set(frame[name].dropna())
        new = [isinstance(word, str) and word not in seen for word in question[name]]
        assert answer.unknown[name].tolist() == new
