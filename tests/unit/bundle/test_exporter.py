"""What is written of a fitted pipeline: features, arrays, smoke rows and files, and what is refused."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import bundle
from bundle import BundleError, BundleRefused, Contract, Engine, Feature, Label, Split, Transform
from bundle.exporter import UNSEEN, columns_of, engine_of, versions, write

ROWS = 40
FRAME = pd.DataFrame(
    {
        "height": [float(row % 7) for row in range(ROWS)],
        "depth": [np.nan if row == 3 else row / 10 for row in range(ROWS)],
        "soil": [np.nan if row == 5 else "abc"[row % 3] for row in range(ROWS)],
        "shade": ["xy"[row % 2] for row in range(ROWS)],
        "id": range(ROWS),
    }
)
LABELS = np.array([4 if row % 7 > 3 else 2 for row in range(ROWS)])
NAMES = {2: "no", 4: "yes", 9: "nobody's"}
SPLIT = Split("key", ("id",), 0.25)
Export = Callable[..., str]


def categories(**options: Any) -> Pipeline:
    known = {"handle_unknown": "ignore", "sparse_output": False, **options}
    return make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(**known))


def fitted(*steps: Any, words: Any = None, **options: Any) -> Pipeline:
    columns = [
        ("plain", SimpleImputer(strategy="median"), ["height"]),
        ("scaled", make_pipeline(SimpleImputer(), StandardScaler()), ["depth"]),
        ("words", categories() if words is None else words, ["soil", "shade"]),
    ]
    chain = steps or (LogisticRegression(),)
    return make_pipeline(ColumnTransformer(columns, **options), *chain).fit(FRAME, LABELS)


@pytest.fixture
def export(tmp_path: Path) -> Export:
    def run(pipeline: Pipeline, **more: Any) -> str:
        given = {"model": "toy", "target": "plants", "label_names": NAMES, "metrics": {"f1": 0.5}, **more}
        return bundle.export(pipeline, FRAME, tmp_path / "bundle", data_sha256="rows", **given)

    return run


def test_a_contract_says_all_that_was_fitted(export: Export, tmp_path: Path) -> None:
    digest = export(fitted(), split=SPLIT)
    contract = bundle.load(tmp_path / "bundle", expected_digest=digest).contract
    depth = FRAME["depth"].fillna(FRAME["depth"].mean())
    plain, scaled, *words = contract.features
    assert plain == Feature("height", "number", imputed=3.0, range=(0.0, 6.0))
    assert scaled == Feature(
        "depth",
        "number",
        imputed=FRAME["depth"].mean(),
        range=(0.0, 3.9),
        mean=pytest.approx(depth.mean()),
        scale=pytest.approx(depth.std(ddof=0)),
        nullable=True,
    )
    assert words == [
        Feature("soil", "category", imputed="a", categories=("a", "b", "c"), nullable=True),
        Feature("shade", "category", imputed="x", categories=("x", "y")),
    ]
    assert contract.labels == (Label(2, "no"), Label(4, "yes"))
    assert (contract.model, contract.target, contract.data_sha256) == ("toy", "plants", "rows")
    assert (contract.metrics, contract.split, contract.engine) == ({"f1": 0.5}, SPLIT, Engine("linear", {}))
    assert contract.versions == versions()
    assert versions() == {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


def test_smoke_rows_are_spread_and_end_with_holes_and_new_words(export: Export, tmp_path: Path) -> None:
    export(fitted())
    smoke = json.loads((tmp_path / "bundle/smoke.json").read_text())
    assert smoke.keys() == {"columns", "labels", "probabilities"}
    spread = [0, 2, 5, 7, 10, 13, 15, 18, 20, 23, 26, 28, 31, 33, 36, 39]
    assert smoke["columns"] == {
        "height": [*FRAME["height"][spread], None, 0.0],
        "depth": [*FRAME["depth"][spread], None, 0.0],
        "soil": [None if row == 5 else FRAME["soil"][row] for row in spread] + [None, UNSEEN],
        "shade": [*FRAME["shade"][spread], None, UNSEEN],
    }
    assert (len(smoke["labels"]), np.shape(smoke["probabilities"])) == (18, (18, 2))


def test_a_bundle_lists_the_sha256_of_each_of_its_files(export: Export, tmp_path: Path) -> None:
    digest = export(fitted())
    folder = tmp_path / "bundle"
    found = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    assert digest == found.pop("digests.json")
    assert list(found) == [
        "arrays/coefficients.npy",
        "arrays/intercepts.npy",
        "contract.json",
        "smoke.json",
    ]
    assert (folder / "digests.json").read_text() == json.dumps(found, indent=1)
    with pytest.raises(FileExistsError):
        export(fitted())


def test_of_two_classes_the_first_has_no_score() -> None:
    pipeline = fitted()
    engine, arrays = engine_of(pipeline[-1])
    assert engine == Engine("linear", {})
    assert arrays["coefficients"].tolist() == [[0.0] * 7, pipeline[-1].coef_[0].tolist()]
    assert arrays["intercepts"].tolist() == [0.0, pipeline[-1].intercept_[0]]


def test_a_map_and_its_classifier_are_one_engine() -> None:
    pipeline = fitted(Nystroem(gamma=0.25, n_components=5, random_state=0), LinearSVC())
    engine, arrays = engine_of(pipeline[1], pipeline[2])
    assert engine == Engine("kernel_map", {"gamma": 0.25})
    assert set(arrays) == {"landmarks", "normalization", "coefficients", "intercepts"}
    assert arrays["landmarks"] is pipeline[1].components_
    assert arrays["normalization"] is pipeline[1].normalization_


def test_a_forest_is_its_inner_nodes_and_its_distinct_leaves() -> None:
    forest = RandomForestClassifier(2, max_depth=2, random_state=1).fit(FRAME[["height", "id"]], LABELS)
    stump = RandomForestClassifier(1, max_depth=1, min_samples_leaf=30).fit(FRAME[["height"]], LABELS)
    engine, arrays = engine_of(forest)
    assert engine == Engine("forest", {})
    inner = [int((tree.tree_.children_left >= 0).sum()) for tree in forest.estimators_]
    assert arrays["roots"].tolist() == [0, inner[0]]
    assert {name: array.dtype.str for name, array in arrays.items()} == {
        "roots": "<i4",
        "left": "<i4",
        "right": "<i4",
        "feature": "|u1",
        "threshold": "<f8",
        "distributions": "<f8",
    }
    assert {len(arrays[name]) for name in ("left", "right", "feature", "threshold")} == {sum(inner)}
    assert len(np.unique(arrays["distributions"], axis=0)) == len(arrays["distributions"])
    _, leaf = engine_of(stump)
    assert (leaf["roots"].tolist(), leaf["left"].tolist(), leaf["feature"].dtype.str) == ([-1], [], "|u1")


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        ([Nystroem(gamma=None), LinearSVC()], "Nystroem > LinearSVC"),
        ([Nystroem(kernel="poly", gamma=0.1), LinearSVC()], "Nystroem > LinearSVC"),
        ([StandardScaler(), LogisticRegression()], "StandardScaler > LogisticRegression"),
    ],
)
def test_what_no_engine_computes_is_named(parts: list[Any], kinds: str) -> None:
    with pytest.raises(BundleRefused) as refused:
        engine_of(*parts)
    assert str(refused.value) == f"no engine computes {kinds} (Nystroem: rbf kernel, gamma given)"


@pytest.mark.parametrize(
    "options", [{"handle_unknown": "error"}, {"drop": "first"}, {"min_frequency": 2}, {"max_categories": 2}]
)
def test_an_encoder_that_groups_or_refuses_is_no_bundles(export: Export, options: dict[str, Any]) -> None:
    with pytest.raises(BundleRefused) as refused:
        export(fitted(words=categories(**options)))
    assert str(refused.value) == (
        "OneHotEncoder must have handle_unknown='ignore' and drop or group no category"
    )


def test_columns_that_are_dropped_are_no_features_and_others_are(export: Export, tmp_path: Path) -> None:
    export(fitted(remainder="drop"))
    names = [feature.name for feature in bundle.load(tmp_path / "bundle").contract.features]
    assert names == ["height", "depth", "soil", "shade"]
    with pytest.raises(BundleRefused) as refused:
        export(fitted(remainder="passthrough"))
    assert str(refused.value).startswith("the transformer 'remainder' is FunctionTransformer: no bundle")


def test_columns_are_numbers_or_objects() -> None:
    made = columns_of(
        FRAME[:2].assign(flag=[True, False], small=np.array([1, 2], np.uint8), day=pd.Timestamp(0))
    )
    kinds = {name: column.dtype.str for name, column in made.items()}
    numbers = ("height", "depth", "id", "flag", "small")
    assert kinds == {**dict.fromkeys(numbers, "<f8"), **dict.fromkeys(("soil", "shade", "day"), "|O")}
    assert made["flag"].tolist() == [1.0, 0.0]


def test_parts_that_do_not_fit_leave_no_bundle(export: Export, tmp_path: Path) -> None:
    export(fitted())
    contract = bundle.load(tmp_path / "bundle").contract
    arrays = {path.stem: np.load(path) for path in (tmp_path / "bundle/arrays").iterdir()}
    other = tmp_path / "other"
    with pytest.raises(BundleRefused, match=r"^contract\.json: model is 1: it must be a text$"):
        write(other, replace(contract, model=1), arrays, FRAME)
    times = {"zone": "UTC", "seasons": {"all": list(range(1, 13))}, "day_times": [[0, "day"]]}
    made = (
        Feature("day_of_week", "number", imputed=0.0),
        Feature("season", "category", imputed="all", categories=("all",)),
        Feature("day_time", "category", imputed="day", categories=("day",)),
    )
    timed = replace(contract, features=made, transforms=(Transform("times", times),))
    with pytest.raises(BundleRefused) as refused:
        write(other, timed, arrays, FRAME)
    assert str(refused.value) == "the smoke rows lack occurred_at, which the transforms take"
    assert not other.exists()
    with pytest.raises(BundleError, match=r"arrays/coefficients\.npy has shape \(2, 7\)"):
        write(other, replace(contract, features=contract.features[:1]), arrays, FRAME)


def test_categories_are_written_as_they_look_and_answered_as_before(tmp_path: Path) -> None:
    decomposed, dashed = "Bogota\u0301\u00a0D.C.\u200b", "5\u201310"
    feature = Feature("soil", "category", imputed=decomposed, categories=("a", decomposed, dashed))
    contract = Contract(
        model="toy",
        target="plants",
        engine=Engine("linear", {}),
        features=(feature,),
        labels=(Label(0, "no"), Label(1, "yes")),
        metrics={},
        data_sha256="rows",
        versions={},
    )
    arrays = {"coefficients": np.array([[0.0] * 3, [1.0, 2.0, 3.0]]), "intercepts": np.zeros(2)}
    frame = pd.DataFrame({"soil": ["a", decomposed, dashed]})
    write(tmp_path / "bundle", contract, arrays, frame)
    loaded = bundle.load(tmp_path / "bundle")
    assert loaded.contract.features[0].categories == ("a", "Bogotá D.C.", "5-10")
    assert loaded.contract.features[0].imputed == "Bogotá D.C."
    for name, values in (("as training had them", frame["soil"]), ("typed", ["a", "bogotá d.c.", "5-10"])):
        answer = loaded.predict({"soil": np.array(values, dtype=object)})
        assert not answer.unknown["soil"].any(), name
        np.testing.assert_allclose(answer.probabilities[:, 1], 1 / (1 + np.exp([-1.0, -2.0, -3.0])))
