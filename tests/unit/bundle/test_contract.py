"""What a contract says beyond imputing and scaling is done to the numbers, or refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bundle
from bundle import Contract, Engine, Feature, Label, Split
from bundle.preprocessing import Preprocessing

HELD = Feature("distance", "number", imputed=5.0, low=0.0, high=9.0, log=True, mean=1.0, scale=2.0)
ROWS = pd.DataFrame({"distance": [-3.0, 4.0, 100.0, np.nan]})
ARRAYS = {"coefficients": np.array([[0.0], [1.0]]), "intercepts": np.zeros(2)}


def contract(class_weights: tuple[float, ...] | None = None) -> Contract:
    return Contract(
        model="crime",
        target="arrest",
        engine=Engine("linear", {}),
        features=(HELD,),
        labels=(Label(0, "no"), Label(1, "yes")),
        metrics={"average_precision": 0.5},
        data_sha256="d" * 64,
        versions={},
        class_weights=class_weights,
    )


def test_a_number_is_held_within_its_bounds_before_its_logarithm() -> None:
    matrix, _ = Preprocessing([HELD]).apply({"distance": ROWS["distance"].to_numpy()})
    np.testing.assert_allclose(matrix[:, 0], (np.log1p([0.0, 4.0, 9.0, 5.0]) - 1.0) / 2.0)


def test_a_bound_may_be_a_whole_number_that_no_integer_of_64_bits_holds() -> None:
    feature = Feature("distance", "number", imputed=5.0, low=-(2**64), high=2**64, mean=2**64, scale=2**65)
    matrix, _ = Preprocessing([feature]).apply({"distance": np.array([1e30])})
    assert matrix.tolist() == [[0.0]]


def test_a_logarithm_without_a_lower_bound_is_refused() -> None:
    with pytest.raises(bundle.BundleError, match="distance has a logarithm and no bound above -1"):
        Preprocessing([Feature("distance", "number", imputed=0.0, log=True)])


def test_class_weights_take_back_the_balance_of_training(tmp_path: Path) -> None:
    """Odds are multiplied by the weights' ratio (Elkan, The Foundations of Cost-Sensitive Learning, 2001)."""
    bundle.write(tmp_path / "balanced", contract(), ARRAYS, ROWS)
    bundle.write(tmp_path / "corrected", contract((1.0, 0.25)), ARRAYS, ROWS)
    columns = {"distance": np.array([4.0, 9.0])}
    balanced, corrected = (
        bundle.load(tmp_path / name).predict_proba(columns) for name in ("balanced", "corrected")
    )
    np.testing.assert_allclose(corrected[:, 1] / corrected[:, 0], balanced[:, 1] / balanced[:, 0] / 4)
    np.testing.assert_allclose(corrected.sum(axis=1), 1)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, float("inf")]])
def test_class_weights_that_are_no_weights_are_refused(weights: list[float]) -> None:
    text = contract().to_json().replace('"class_weights": null', f'"class_weights": {weights}')
    with pytest.raises(bundle.BundleError, match="class_weights is"):
        Contract.from_json(text.replace("inf", "Infinity"))


KEY = Split("key", ("id", "year"), 0.2)
NEWEST = Split("time", ("open_time",), 0.25, judged_after=1_751_320_800_000)


@pytest.mark.parametrize("split", [KEY, replace(KEY, salt="2"), NEWEST])
def test_a_split_survives_its_json(split: Split) -> None:
    assert Contract.from_json(replace(contract(), split=split).to_json()).split == split


def test_a_contract_from_before_it_said_how_rows_were_split_is_read() -> None:
    fields = json.loads(contract().to_json())
    assert fields.pop("split", "absent") is None
    assert Contract.from_json(json.dumps(fields)) == contract()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"kind": "random"}, "the split has the kind 'random'"),
        ({"key": []}, "the split has no key"),
        ({"key": "id"}, "the split's key is 'id'"),
        ({"key": [1]}, "a column of the split's key is 1"),
        ({"key": ["id", "id"]}, "two of the columns of the split's key are called alike"),
        ({"test_share": 0}, "the split's test_share is 0"),
        ({"test_share": 1}, "the split's test_share is 1"),
        ({"test_share": True}, "the split's test_share is True"),
        ({"test_share": float("nan")}, "the split's test_share is nan"),
        ({"salt": None}, "the split's salt is None"),
        ({"judged_after": 5}, "a split by key has judged_after 5"),
        ({"kind": "time"}, "judged_after of a split by time is None"),
        ({"kind": "time", "judged_after": 5.0}, "judged_after of a split by time is 5.0"),
        ({"kind": "time", "judged_after": True}, "judged_after of a split by time is True"),
        ({"kind": "time", "judged_after": -1}, "judged_after of a split by time is -1"),
        ({"kind": "time", "judged_after": 10**15}, "judged_after of a split by time is 1000000000000000"),
        ({"seed": 3}, "cannot be understood"),
    ],
)
def test_a_split_that_is_none_is_refused(changed: dict[str, Any], sentence: str) -> None:
    fields = json.loads(replace(contract(), split=KEY).to_json())
    fields["split"] |= changed
    with pytest.raises(bundle.BundleError, match=re.escape(sentence)):
        Contract.from_json(json.dumps(fields))
