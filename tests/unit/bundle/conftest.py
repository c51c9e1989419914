"""A small fitted pipeline and its bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

import bundle

COVERTYPE = Path(__file__).resolve().parents[3] / "sources/forest_api/data/covertype.csv.gz"


@pytest.fixture(scope="session")
def covertype() -> pd.DataFrame:
    columns = {
        "Elevation": "elevation",
        "Slope": "slope",
        "Soil_Type": "soil_type",
        "Cover_Type": "cover_type",
    }
    rows = pd.read_csv(COVERTYPE, usecols=list(columns), nrows=3000).rename(columns=columns)
    return rows[list(columns.values())]


@pytest.fixture(scope="session")
def samples(covertype: pd.DataFrame) -> pd.DataFrame:
    return covertype[["elevation", "slope", "soil_type"]]


@pytest.fixture(scope="session")
def cover_types(covertype: pd.DataFrame) -> pd.Series:
    return covertype["cover_type"]


@pytest.fixture(scope="session")
def fitted(samples: pd.DataFrame, cover_types: pd.Series) -> Pipeline:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    categories = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    columns = [
        ("numbers", SimpleImputer(), ["elevation", "slope"]),
        ("categories", categories, ["soil_type"]),
    ]
    forest = RandomForestClassifier(5, random_state=0)
    return make_pipeline(ColumnTransformer(columns), forest).fit(samples, cover_types)


@pytest.fixture
def export(tmp_path: Path, samples: pd.DataFrame) -> Callable[..., Path]:
    """Exports a pipeline and gives the bundle's folder."""

    def run(pipeline: Pipeline, frame: pd.DataFrame = samples, name: str = "bundle") -> Path:
        names = {value: f"class {value}" for value in range(7)}
        metrics = {"accuracy": 0.5, "f1_macro": 0.4}
        bundle.export(
            pipeline,
            frame,
            tmp_path / name,
            model="forest",
            target="cover_type",
            label_names=names,
            metrics=metrics,
            data_sha256="d" * 64,
        )
        return tmp_path / name

    return run
