"""A bundle is published only if its probabilities are those of the model that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

import bundle
from bundle import Bundle, BundleRefused, Contract, Engine, Feature, Label, exporter, proof
from bundle.engines import BOOSTER, ENGINES
from bundle.engines.arrays import Matrix
from stepkit.errors import InvalidInput
from stepkit.training import proven_bundle

CLASSIFIERS: dict[str, list[Any]] = {
    "linear": [LogisticRegression(max_iter=200)],
    "forest": [RandomForestClassifier(12, random_state=0)],
    "kernel_map": [Nystroem(gamma=0.1, n_components=40, random_state=0), LinearSVC()],
}
FIRST_TEST_ROW = 2000


class Tripled:
    """An engine all of whose logits are three times as great: each row's order of the classes stays."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def predict_proba(self, matrix: Matrix) -> Matrix:
        cubes: Matrix = self._engine.predict_proba(matrix) ** 3
        return cubes / cubes.sum(axis=1, keepdims=True)


class OneRowOff:
    """An engine that is wrong by a given amount for one row of each call."""

    def __init__(self, engine: Any, by: float) -> None:
        self._engine, self._by = engine, by

    def predict_proba(self, matrix: Matrix) -> Matrix:
        answer: Matrix = self._engine.predict_proba(matrix).copy()
        answer[-1] += self._by
        return answer


@pytest.fixture
def published(
    samples: pd.DataFrame, cover_types: pd.Series, export: Callable[..., Path], tmp_path: Path
) -> Callable[[str, int], tuple[Pipeline, Bundle, pd.DataFrame]]:
    """Fits a model for an engine; gives it, its bundle, and rows that it was not fitted on."""

    def make(engine: str, classes: int) -> tuple[Pipeline, Bundle, pd.DataFrame]:
        test, target = samples[FIRST_TEST_ROW:], (cover_types % classes)[:FIRST_TEST_ROW]
        if engine == "xgboost":
            numbers = ["elevation", "slope"]
            columns = ColumnTransformer([("numbers", SimpleImputer(strategy="median"), numbers)])
            model = XGBClassifier(n_estimators=20, max_depth=3, nthread=1)
            pipeline = make_pipeline(columns, model).fit(samples[:FIRST_TEST_ROW], target)
            raw = bytes(model.get_booster().save_raw("ubj"))
            medians = columns.named_transformers_["numbers"].statistics_
            contract = Contract(
                model="toy",
                target="side",
                engine=Engine("xgboost", {}),
                features=tuple(
                    Feature(name, "number", imputed=float(median))
                    for name, median in zip(numbers, medians, strict=True)
                ),
                labels=tuple(Label(value, str(value)) for value in range(classes)),
                metrics={},
                data_sha256="d" * 64,
                versions={},
            )
            arrays = {BOOSTER: np.frombuffer(raw, dtype=np.uint8)}
            bundle.write(tmp_path / "bundle", contract, arrays, samples[:FIRST_TEST_ROW])
            return pipeline, bundle.load(tmp_path / "bundle"), test[numbers]
        scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        categories = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
        preprocessing = ColumnTransformer(
            [("numbers", scaled, ["elevation", "slope"]), ("categories", categories, ["soil_type"])]
        )
        steps = make_pipeline(preprocessing, *CLASSIFIERS[engine])
        pipeline = steps.fit(samples[:FIRST_TEST_ROW], target)
        return pipeline, bundle.load(export(pipeline)), test

    return make


Published = Callable[[str, int], tuple[Pipeline, Bundle, pd.DataFrame]]


def test_every_engine_has_a_tolerance() -> None:
    assert proof.TOLERANCES.keys() == ENGINES.keys()


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("engine", ENGINES)
def test_tripled_logits_are_refused(published: Published, engine: str, classes: int) -> None:
    pipeline, opened, rows = published(engine, classes)
    bundle.verify_against(pipeline, opened, rows)
    with pytest.raises(BundleRefused, match=r"row \d+: the bundle gives class \d the probability 0\.\d+"):
        bundle.verify_against(pipeline, replace(opened, engine=Tripled(opened.engine)), rows)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("by", [3, np.nan])
def test_one_wrong_row_is_refused(published: Published, engine: str, by: float) -> None:
    pipeline, opened, rows = published(engine, 2)
    off = OneRowOff(opened.engine, by * proof.TOLERANCES[engine])
    with pytest.raises(BundleRefused, match=rf"row {rows.index[-1]}: .* \(1 of {len(rows)} "):
        bundle.verify_against(pipeline, replace(opened, engine=off), rows)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_rows_have_no_answers(published: Published, engine: str) -> None:
    _, opened, rows = published(engine, 7)
    answer = opened.predict(exporter.columns_of(rows[:0]))
    assert answer.probabilities.shape == (0, 7)
    assert (len(answer.labels), len(opened.predict(exporter.columns_of(rows[:1])).labels)) == (0, 1)


FAR = {"linear": 1e-11, "kernel_map": 1e-8, "forest": 1e-14, "xgboost": 1e-5}
"""Ten times as far as the rounding of each engine goes."""


@pytest.mark.parametrize("engine", ENGINES)
def test_what_rounding_does_not_explain_is_refused(published: Published, engine: str) -> None:
    pipeline, opened, rows = published(engine, 2)
    off = OneRowOff(opened.engine, FAR[engine])
    with pytest.raises(BundleRefused, match=r"\(1 of 1000 rows are further apart than 1e-"):
        bundle.verify_against(pipeline, replace(opened, engine=off), rows)


def test_a_tenth_is_disturbed_in_each_way(published: Published) -> None:
    _, opened, rows = published("linear", 2)
    disturbed = proof._disturbed(rows, opened.contract)
    for name in rows:
        assert 0.07 < disturbed[name].isna().mean() < 0.13
    new = disturbed["soil_type"] == exporter.UNSEEN
    assert 0.07 < new.mean() < 0.13
    holes = [disturbed[name].isna() for name in rows]
    assert not (holes[0] == holes[1]).all()
    kept = ~(holes[2] | new)
    assert disturbed["soil_type"][kept].equals(rows["soil_type"][kept])
    assert not rows.isna().any(axis=None)


def test_rows_after_the_first_portion_are_disturbed_too(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is wrong about new categories alone, and right on the rows of the first portion."""
    pipeline, opened, rows = published("linear", 2)
    monkeypatch.setattr(proof, "_ROWS_AT_ONCE", 900)

    class WrongAfterwards:
        calls = 0

        def predict_proba(self, matrix: Matrix) -> Matrix:
            self.calls += 1
            right: Matrix = opened.engine.predict_proba(matrix)
            return right if self.calls < 4 else right * 0.999

    with pytest.raises(BundleRefused, match="disturbed row 29"):
        bundle.verify_against(pipeline, replace(opened, engine=WrongAfterwards()), rows)


def test_an_exporter_that_triples_is_not_published(
    published: Published, samples: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _, rows = published("linear", 7)
    linear = exporter._linear

    def tripled(classifier: Any) -> dict[str, NDArray[Any]]:
        return {name: 3 * array for name, array in linear(classifier).items()}

    monkeypatch.setattr(exporter, "_linear", tripled)
    with pytest.raises(InvalidInput, match="the model is not published"):
        proven_bundle(
            pipeline,
            samples[:FIRST_TEST_ROW],
            rows,
            tmp_path / "tripled",
            model="forest",
            target="cover_type",
            label_names={value: f"class {value}" for value in range(7)},
            metrics={},
            data_sha256="d" * 64,
        )
