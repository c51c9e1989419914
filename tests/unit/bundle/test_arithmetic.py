"""Arithmetic: numbers made of two fields, in a frame for training and of what a client sends."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

import bundle
from bundle import BundleError, BundleRefused, Transform, with_made
from bundle.transforms.arithmetic import OPERATIONS, Arithmetic

FEATURES = {
    "to_water": ["hypotenuse", "across", "down"],
    "steepness": ["ratio", "down", "across"],
}
PARAMETERS: dict[str, Any] = {"features": FEATURES, "nullable": ["down"]}
TRANSFORMS = (Transform("arithmetic", PARAMETERS),)
FIELDS = pd.DataFrame({"across": [3.0, 0.0, 5.0, 8.0] * 5, "down": [4.0, 1.0, np.nan, -6.0] * 5})
LABELS = np.array([0, 1, 1, 0] * 5)


def apply(operation: str, first: float, second: float) -> float:
    transform = Arithmetic({"features": {"made": [operation, "a", "b"]}, "nullable": []})
    return float(transform.apply({"a": np.array([first]), "b": np.array([second])})["made"][0])


@pytest.mark.parametrize(
    ("operation", "made"),
    [("sum", 7), ("difference", -1), ("product", 12), ("ratio", 0.75), ("hypotenuse", 5)],
)
def test_each_operation_is_of_the_first_and_the_second(operation: str, made: float) -> None:
    assert apply(operation, 3, 4) == made


@pytest.mark.parametrize(
    ("operation", "first", "second"),
    [
        ("ratio", 1, 0),
        ("ratio", 0, 0),
        ("product", 1e60, -1e60),
        ("ratio", 1e60, 1e-60),
        *((name, 1, math.nan) for name in OPERATIONS),
    ],
)
def test_what_cannot_be_known_or_held_is_missing(operation: str, first: float, second: float) -> None:
    assert math.isnan(apply(operation, first, second))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"features": {}, "nullable": []}, "features is {}: it must be at least one"),
        ({"features": {"made": ["power", "a", "b"]}, "nullable": []}, "it must be one of sum, difference"),
        ({"features": {"made": ["sum", "a"]}, "nullable": []}, "and two fields"),
        ({"features": {"made": "sum"}, "nullable": []}, "and two fields"),
        ({"features": {"made": ["sum", "a", 1]}, "nullable": []}, "and two fields"),
        (
            {"features": {"b": ["sum", "a", "a"], "c": ["sum", "b", "a"]}, "nullable": []},
            "made of fields alone",
        ),
        ({"features": FEATURES, "nullable": ["up"]}, "nullable is ['up']: it must be some of across, down"),
        ({"features": FEATURES}, "has the parameters ['features']"),
    ],
)
def test_parameters_that_say_nothing_are_refused(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=re.escape(sentence)):
        Arithmetic(parameters)


def fitted(rows: pd.DataFrame) -> Pipeline:
    columns = ColumnTransformer([("numbers", SimpleImputer(keep_empty_features=True), list(rows))])
    return make_pipeline(columns, LogisticRegression()).fit(rows, LABELS)


def export(pipeline: Pipeline, rows: pd.DataFrame, path: Path) -> bundle.Bundle:
    bundle.export(
        pipeline,
        rows,
        path,
        model="slope",
        target="wet",
        label_names={0: "dry", 1: "wet"},
        metrics={},
        data_sha256="0" * 64,
        transforms=TRANSFORMS,
    )
    return bundle.load(path)


def test_a_client_sends_the_fields_and_is_answered_as_training_was(tmp_path: Path) -> None:
    rows = with_made(FIELDS, TRANSFORMS)
    pipeline = fitted(rows)
    loaded = export(pipeline, rows, tmp_path / "bundle")
    bundle.verify_against(pipeline, loaded, rows)

    assert loaded.inputs.features == ()
    assert {field.name: field.nullable for field in loaded.inputs.fields} == {"across": False, "down": True}
    (sent,) = loaded.inputs.complete([{"across": 3.0, "down": 4.0}])
    assert sent == {"across": 3.0, "down": 4.0, "to_water": 5.0, "steepness": 4 / 3}
    (unknown,) = loaded.inputs.complete([{"across": 3.0, "down": None}])
    assert unknown == {"across": 3.0, "down": None, "to_water": None, "steepness": None}


def test_a_model_fitted_on_another_number_than_clients_would_get_is_not_published(tmp_path: Path) -> None:
    rows = with_made(FIELDS, TRANSFORMS)
    pipeline = fitted(rows)
    loaded = export(pipeline, rows, tmp_path / "bundle")

    with pytest.raises(
        BundleRefused, match=r"row 0: the transform arithmetic makes to_water 5\.0, training had 5\.1"
    ):
        bundle.verify_against(pipeline, loaded, rows.assign(to_water=rows["to_water"] + 0.1))


def test_a_transform_that_does_not_exist_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="'algebra'; this code knows arithmetic"):
        bundle.export(
            fitted(FIELDS),
            FIELDS,
            tmp_path / "bundle",
            model="slope",
            target="wet",
            label_names={0: "dry", 1: "wet"},
            metrics={},
            data_sha256="0" * 64,
            transforms=[Transform("algebra", {})],
        )
