"""A bundle with right digests and wrong contents is refused before native code gets any of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

import bundle
from bench.serving.damage import OTHER, REFUSED, SAME, SMOKE, outcomes
from bench.serving.small_bundles import write_all
from bundle.engines import BOOSTER, Forest
from bundle.engines.xgboost import XGBoost

DAMAGES = 400
# One tree over two columns: two inner nodes and three leaves of two classes.
TREE: dict[str, NDArray[Any]] = {
    "roots": np.array([0], np.int32),
    "left": np.array([1, -1], np.int32),
    "right": np.array([-2, -3], np.int32),
    "feature": np.array([0, 1], np.uint8),
    "threshold": np.array([0.5, 0.5]),
    "distributions": np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_all(tmp_path_factory.mktemp("sound"))


def test_a_damaged_bundle_ends_no_process_and_gives_no_wrong_answer(sound: list[Path]) -> None:
    found = dict(outcomes(sound, 0, DAMAGES, seed=7))
    assert len(found) == DAMAGES
    faults = {at: outcome for at, outcome in found.items() if outcome not in (REFUSED, SMOKE, SAME, OTHER)}
    assert faults == {}
    assert {REFUSED, SMOKE, SAME} <= set(found.values())


def test_a_tree_at_its_bounds_answers() -> None:
    forest = Forest(TREE, {}, 2, 2)
    rows = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert forest.predict_proba(rows).tolist() == [[1, 0], [0.5, 0.5], [0, 1]]


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("left", [2, -1], "a child is out of place"),
        ("left", [1, -4], "a child is out of place"),
        ("left", [0, -1], "a child is out of place"),
        ("left", [1, 1], "a child is out of place"),
        ("roots", [2], "a child is out of place"),
        ("roots", [-4], "a child is out of place"),
        ("feature", [0, 2], "a column that the model does not have"),
        ("feature", [0, -1], "a column that the model does not have"),
        ("roots", [], "names no tree"),
        ("roots", 0, "names no tree"),
        ("left", [1.0, float("nan")], "left.npy holds float64"),
        ("right", [-2.0, float("nan")], "right.npy holds float64"),
        ("roots", [float("nan")], "roots.npy holds float64"),
        ("feature", [float("nan"), 1.0], "feature.npy holds float64"),
        ("feature", [False, True], "feature.npy holds bool"),
        ("threshold", [1, 2], "threshold.npy holds int64"),
        ("threshold", [0.5, float("nan")], "threshold.npy holds what is not finite"),
        ("threshold", [0.5, float("inf")], "threshold.npy holds what is not finite"),
        ("distributions", [[1.0, 0.0], [0.0, 1.0], [0.5, 0.4]], "shares of a leaf"),
        ("distributions", [[1.0, 0.0], [0.0, 1.0], [1.5, -0.5]], "shares of a leaf"),
        ("distributions", [[1.0, 0.0], [0.0, 1.0], [0.5, float("nan")]], "not finite"),
    ],
)
def test_a_tree_beyond_its_bounds_is_refused(name: str, array: Any, sentence: str) -> None:
    kind = np.int32 if name in ("left", "right", "roots") and "holds" not in sentence else None
    damaged = {**TREE, name: np.array(array, kind)}
    with pytest.raises(bundle.BundleError, match=sentence):
        Forest(damaged, {}, 2, 2)


@pytest.mark.parametrize(
    ("field", "at", "value", "sentence"),
    [
        ("left_children", 0, 99, "a child is out of place"),
        ("left_children", 0, 0, "is the child of two"),
        ("right_children", 0, 1, "is the child of two"),
        ("right_children", 0, -1, "has one child"),
        ("split_indices", 0, 2, "a column that the model does not have"),
        ("split_indices", 0, -1, "a column that the model does not have"),
        ("parents", 1, 2, "parents does not describe it"),
        ("split_conditions", 0, 0x7FC00000, "not finite"),
    ],
)
def test_a_booster_whose_tree_leads_out_of_it_is_refused(
    sound: list[Path], field: str, at: int, value: int, sentence: str
) -> None:
    file = next(folder for folder in sound if folder.name == "xgboost of 2") / BOOSTER
    content = bytearray(file.read_bytes())
    start = content.index(field.encode()) + len(field) + len(b"[$l#L") + 8 + 4 * at
    content[start : start + 4] = value.to_bytes(4, "big", signed=True)
    with pytest.raises(bundle.BundleError, match=sentence):
        XGBoost({BOOSTER: np.frombuffer(bytes(content), np.uint8)}, {}, 2, 2)


def test_categories_that_differ_in_case_alone_are_not_exported(
    fitted: Pipeline, samples: pd.DataFrame, cover_types: pd.Series, export: Callable[..., Path]
) -> None:
    mixed = samples.copy()
    mixed.loc[mixed.index[::2], "soil_type"] = mixed["soil_type"].str.lower()
    pipeline = fitted.__sklearn_clone__().fit(mixed, cover_types)
    with pytest.raises(
        bundle.BundleRefused, match=r"soil_type has the categories '.*' and '.*': neither case"
    ):
        export(pipeline, mixed)


CHANGES: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (lambda fields: fields["features"][2]["categories"].append(" c7745 "), "nor what nobody sees"),
    (lambda fields: fields["features"][0].update(name="slope"), "two of the features are called alike"),
    (lambda fields: fields["features"][0].update(scale=0), "the scale 0"),
    (lambda fields: fields["features"][0].update(mean=float("nan")), "must be a number"),
    (lambda fields: fields["features"][0].update(imputed=10**400), "must be a number"),
    (lambda fields: fields["features"][0].update(low=2, high=1), "the lower bound 2 is above the upper 1"),
    (lambda fields: fields["features"][0].update(name="\ud800"), "must be a text"),
    (lambda fields: fields["features"][0].update(nullable=1), "true or false"),
    (lambda fields: fields["labels"][0].update(value=True), "no integer"),
    (lambda fields: fields["labels"][0].update(value=2**63), "no integer"),
    (lambda fields: fields["labels"][0].update(name="class 1"), "two of the labels"),
    (lambda fields: fields.update(features=[]), "no features"),
    (lambda fields: fields.update(target="class_name"), "another field of an answer"),
    (lambda fields: fields["metrics"].update(accuracy="good"), "must be a number"),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGES, ids=[sentence for _, sentence in CHANGES])
def test_a_contract_that_states_what_cannot_be_used_is_refused(
    fitted: Pipeline,
    export: Callable[..., Path],
    change: Callable[[dict[str, Any]], None],
    sentence: str,
) -> None:
    folder = export(fitted)
    fields = json.loads((folder / "contract.json").read_text())
    change(fields)
    (folder / "contract.json").write_text(json.dumps(fields))
    digests = json.loads((folder / "digests.json").read_text())
    digests["contract.json"] = hashlib.sha256((folder / "contract.json").read_bytes()).hexdigest()
    (folder / "digests.json").write_text(json.dumps(digests))
    with pytest.raises(bundle.BundleError, match=sentence):
        bundle.load(folder)
