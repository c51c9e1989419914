"""Transforms that a contract names: they fit its features, and make what training had, or are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bundle
from bundle import BundleError, BundleRefused, Contract, Feature, Transform
from bundle.exporter import columns_of
from bundle.inputs import Inputs
from bundle.transforms import UnusableInput
from bundle.transforms.bars import FEATURES as OF_BARS
from tests.told_bundle import ARRAYS, PLACE, TIMES, contract, rows, samples_of, sign, written

BARS = Transform("bars", {"symbol": "BTCUSDT", "interval": "1h", "interval_ms": 3_600_000, "horizon": 1})


class Pipeline:
    """What a bundle is proved against: the bundle's own engine, asked with the features of training."""

    def __init__(self, opened: bundle.Bundle) -> None:
        self._opened = opened

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        return self._opened.predict(columns_of(frame)).probabilities

    def predict(self, frame: pd.DataFrame) -> Any:
        return self._opened.predict(columns_of(frame)).labels


def test_a_client_sends_what_transforms_take_and_the_features_that_none_makes() -> None:
    inputs = Inputs(contract())
    assert [field.name for field in inputs.fields] == ["latitude", "longitude", "occurred_at"]
    assert [feature.name for feature in inputs.features] == ["kind"]
    assert (inputs.maker("season"), inputs.maker("nearest_station"), inputs.maker("kind")) == (
        "times",
        "place",
        None,
    )


def test_samples_get_the_features_that_training_had(tmp_path: Path) -> None:
    opened, frame = bundle.load(written(tmp_path / "bundle")), rows()
    samples = [{"latitude": None, "longitude": None, **each} for each in samples_of(frame)]
    made = opened.inputs.complete(samples)
    matrix, unknown = opened.preprocessing.apply_to_samples(made)
    assert not unknown
    expected, _ = opened.preprocessing.apply(columns_of(frame))
    np.testing.assert_array_equal(matrix, expected)
    assert (made[9]["nearest_station"], made[9]["station_distance_m"]) == (None, None)
    assert "season" not in samples[0], "what the client sent stays as it was"


def test_a_value_that_cannot_be_transformed_has_the_place_of_its_sample() -> None:
    samples = [{"latitude": None, "longitude": None, "occurred_at": each} for each in ("2026-01-01T00", "x")]
    with pytest.raises(UnusableInput, match="row 1, occurred_at: 'x' is not a time"):
        Inputs(contract()).complete(samples)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"latitude": np.zeros(1)}, "also take longitude, occurred_at"),
        ({name: np.zeros(at) for at, name in enumerate(("latitude", "longitude", "occurred_at"))}, "length"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Inputs(contract()).apply(columns)


PLACES, CLOCKS = Transform("place", PLACE), Transform("times", TIMES)
MISFITS: dict[str, tuple[Callable[[], Contract], str]] = {
    "unknown": (lambda: contract((Transform("tides", {}),)), "the transform 'tides'; this code knows"),
    "twice": (lambda: contract((CLOCKS, CLOCKS)), "two of the transforms are called alike"),
    "parameters": (lambda: contract((Transform("times", {}),)), "the transform times has the parameters []"),
    "no feature": (
        lambda: replace(contract((CLOCKS,)), features=contract().features[1:]),
        "the transform times makes day_of_week, which is not a feature of the model",
    ),
    "another kind": (
        lambda: contract(day_of_week=Feature("day_of_week", "category", imputed="0", categories=("0",))),
        "the transform times makes day_of_week as a number, the model takes a category",
    ),
    "may not be missing": (
        lambda: contract(latitude=Feature("latitude", "number", imputed=1.0)),
        "the transform place may leave latitude missing, which the model's feature may not be",
    ),
    "a feature that is taken": (
        lambda: contract(kind=Feature("occurred_at", "category", imputed="0", categories=("0",))),
        "the transform times takes occurred_at, which is a feature that no transform makes",
    ),
    "a series beside another": (
        lambda: replace(contract((CLOCKS, BARS)), features=(*contract().features, *_of_bars())),
        "the transform bars makes features of a series, and no other transform can beside it",
    ),
    "a series that makes too little": (
        lambda: replace(contract((BARS,)), features=(*_of_bars(), contract().features[0])),
        "the transform bars must make all features, and does not make day_of_week",
    ),
}


def _of_bars() -> tuple[Feature, ...]:
    return tuple(Feature(name, "number", imputed=0.0) for name in OF_BARS)


@pytest.mark.parametrize("case", MISFITS)
def test_transforms_that_do_not_fit_the_features_are_neither_exported_nor_opened(
    case: str, tmp_path: Path
) -> None:
    stated, sentence = MISFITS[case][0](), re.escape(MISFITS[case][1])
    with pytest.raises(BundleRefused, match=sentence):
        bundle.write(tmp_path / "new", stated, ARRAYS, rows())
    assert not (tmp_path / "new").exists()
    folder = written(tmp_path / "bundle")
    (folder / "contract.json").write_text(stated.to_json())
    sign(folder)
    with pytest.raises(BundleError, match=sentence):
        bundle.load(folder)


def test_rows_without_what_transforms_take_are_not_exported(tmp_path: Path) -> None:
    frame = rows().drop(columns=["occurred_at", "longitude"])
    with pytest.raises(BundleRefused, match="the smoke rows lack longitude, occurred_at"):
        bundle.write(tmp_path / "bundle", contract(), ARRAYS, frame)


def test_a_contract_with_transforms_survives_its_json() -> None:
    assert Contract.from_json(contract().to_json()) == contract()
    assert json.loads(contract().to_json())["format"] == 2
    assert json.loads(contract(()).to_json())["format"] == 1


def test_the_one_transform_of_a_contract_of_format_1_is_read() -> None:
    fields = json.loads(contract(()).to_json())
    del fields["transforms"]
    assert Contract.from_json(json.dumps(fields)) == contract(())
    fields["transform"] = {"type": "bars", "parameters": BARS.parameters}
    assert Contract.from_json(json.dumps(fields)).transforms == (BARS,)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda smoke: smoke["inputs"]["occurred_at"].__setitem__(3, "2026-05-05T05:05:05"),
            r"row 3: times makes \w+",
        ),
        (lambda smoke: smoke["columns"]["station_distance_m"].__setitem__(0, 1.5), "row 0: place makes st"),
        (lambda smoke: smoke["inputs"]["latitude"].__setitem__(1, None), "row 1: place makes latitude nan"),
        (lambda smoke: smoke["inputs"]["occurred_at"].__setitem__(2, "soon"), "'soon' is not a time"),
        (lambda smoke: smoke["inputs"].update(longitude=[]), "cannot be understood: ValueError"),
        (lambda smoke: smoke["columns"].update(latitude=41.8), "cannot be understood: IndexError"),
        (lambda smoke: smoke.pop("inputs"), "cannot be understood: KeyError"),
        (lambda smoke: smoke["inputs"].update({name: [] for name in smoke["inputs"]}), "asks the transforms"),
    ],
)
def test_smoke_rows_are_transformed_and_compared(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    folder = written(tmp_path / "bundle")
    bundle.load(folder).check_smoke()
    smoke = json.loads((folder / "smoke.json").read_text())
    spoil(smoke)
    (folder / "smoke.json").write_text(json.dumps(smoke))
    sign(folder)
    with pytest.raises(BundleError, match=sentence):
        bundle.load(folder).check_smoke()


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (
            "station_distance_m",
            7.0,
            r"row 21: the transform place makes station_distance_m [\d.]+, .* had 7\.0",
        ),
        ("station_distance_m", np.nan, "row 21: the transform place makes station_distance_m"),
        ("season", "Monsoon", r"row 21: the transform times makes season '\w+', training had 'Monsoon'"),
        ("nearest_station", None, "row 21: the transform place makes nearest_station"),
        ("occurred_at", "soon", "the transforms do not take what training had: row 21, occurred_at"),
    ],
)
def test_a_feature_that_training_had_otherwise_is_not_published(
    tmp_path: Path, column: str, value: Any, sentence: str
) -> None:
    opened, frame = bundle.load(written(tmp_path / "bundle")), rows()
    pipeline: Any = Pipeline(opened)
    bundle.verify_against(pipeline, opened, frame)
    frame.loc[21, column] = value
    with pytest.raises(BundleRefused, match=sentence):
        bundle.verify_against(pipeline, opened, frame)


def test_numbers_may_differ_by_a_millionth(tmp_path: Path) -> None:
    opened, frame = bundle.load(written(tmp_path / "bundle")), rows()
    columns = columns_of(frame)
    for by, differs in ((9e-7, False), (1.1e-6, True)):
        moved = {**columns, "station_distance_m": columns["station_distance_m"] + by}
        assert (opened.inputs.difference(columns, moved) is not None) is differs
