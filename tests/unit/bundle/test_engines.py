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
from bundle.engines import native
from bundle.exporter import columns_of
from bundle.preprocessing import Preprocessing

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


def test_samples_make_the_matrix_that_columns_make(
    samples: pd.DataFrame, cover_types: pd.Series, export: Export
) -> None:
    steps = [preprocessing(["elevation", "slope"], ["soil_type"]), LogisticRegression(max_iter=200)]
    training = samples.copy()
    training.loc[training.index[::50], "slope"] = None
    training.loc[training.index[1::50], "soil_type"] = None
    opened = bundle.load(export(make_pipeline(*steps).fit(training, cover_types), training))
    assert [each.name for each in opened.contract.features if each.nullable] == ["slope", "soil_type"]
    rows = samples[:300].reset_index(drop=True)
    rows.loc[::7, "soil_type"] = "C0000"
    rows.loc[1::7, "soil_type"] = [f" {name.lower()}" for name in rows.loc[1::7, "soil_type"]]
    rows.loc[2::7, "soil_type"] = None
    rows.loc[3::7, "slope"] = None
    expected, unknown = opened.preprocessing.apply(columns_of(rows))
    given = rows.astype(object).where(rows.notna(), None).to_dict("records")
    matrix, new = opened.preprocessing.apply_to_samples(given)
    np.testing.assert_array_equal(matrix, expected)
    assert new == {"soil_type": np.flatnonzero(unknown["soil_type"]).tolist()}
    assert opened.preprocessing.apply_to_samples(rows[1:2].to_dict("records"))[1] == {}


@pytest.mark.parametrize("order", [("number", "category", "number"), ("category", "number", "category")])
def test_samples_may_have_their_numbers_anywhere(order: tuple[Any, ...]) -> None:
    features = [
        bundle.Feature(
            f"{kind} {at}",
            kind,
            imputed=1.0 if kind == "number" else "a",
            categories=("a", "b") if kind == "category" else (),
            **({"mean": 2.0, "scale": 3.0, "low": 0.0, "high": 9.0, "log": True} if kind == "number" else {}),
        )
        for at, kind in enumerate(order)
    ]
    preprocessing = Preprocessing(features)
    samples = [
        {each.name: float(row * 5 - 1) if each.type == "number" else "aB"[row % 2] for each in features}
        for row in range(3)
    ]
    columns = {
        each.name: np.array(
            [sample[each.name] for sample in samples], dtype=object if each.type == "category" else float
        )
        for each in features
    }
    np.testing.assert_array_equal(preprocessing.apply_to_samples(samples)[0], preprocessing.apply(columns)[0])


def test_a_matrix_of_another_width_is_refused(fitted: Pipeline, export: Export) -> None:
    opened = bundle.load(export(fitted))
    with pytest.raises(ValueError, match="the matrix has 2 columns, the model"):
        opened.engine.predict_proba(np.zeros((1, 2)))


def test_a_machine_without_compiler_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(bundle.BundleError, match="Install a C compiler, or name one in CC"):
        native.forest_walk(keep_gil=True)


def test_code_that_does_not_compile_is_told_with_the_compilers_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\necho it is broken >&2\necho "$@" > "$0.given"\nexit 3\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", f"{compiler} -one")
    with pytest.raises(bundle.BundleError) as refused:
        native.forest_walk(keep_gil=True)
    assert str(refused.value) == "forest_walk.c does not compile: it is broken"
    given = Path(f"{compiler}.given").read_text().split()
    assert given[:5] == ["-one", "-O2", "-shared", "-fPIC", "-o"]
    assert given[6:] == [str(native.FOREST_WALK)]
    assert [path for path in (tmp_path / "cache").rglob("*") if not path.is_dir()] == []


def test_the_walk_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.forest_walk(keep_gil=True)
    (library,) = tmp_path.rglob("*.so")
    assert library.name == native.file_name(native.FOREST_WALK)
    monkeypatch.setenv("CC", "no-such-compiler")
    native.forest_walk(keep_gil=False)


def test_images_hold_what_the_engine_looks_for() -> None:
    """The base image compiles the same source, under the name that the engine asks for, in its folder."""
    dockerfile = Path("images/base/Dockerfile").read_text()
    assert f"COPY {native.FOREST_WALK.relative_to(Path.cwd())} ." in dockerfile
    assert "/compiled/forest_walk-$(sha256sum forest_walk.c | cut -c -12).so" in dockerfile
    assert f"COPY --from=native /compiled {native.OF_THE_IMAGE}" in dockerfile
