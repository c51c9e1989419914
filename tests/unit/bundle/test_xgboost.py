"""XGBoost's file in a bundle answers as XGBoost does, and one that does not fit is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from xgboost import XGBClassifier

from bundle import BundleError, Contract, Engine, Feature, Label, load
from bundle.engines import BOOSTER
from bundle.engines.xgboost import XGBoost
from bundle.exporter import columns_of, write
from bundle.transforms.bars import FEATURES


def frame(rows: int, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 3)), columns=["a", "b", "c"])


def classes_of(rows: pd.DataFrame, classes: int) -> NDArray[np.int64]:
    return (rows["a"] + rows["b"] * rows["c"] > 0).to_numpy().astype(int) + (
        (rows["c"] > 1).to_numpy().astype(int) if classes == 3 else 0
    )


def fitted(classes: int = 2) -> XGBClassifier:
    rows = frame(2000)
    return XGBClassifier(n_estimators=20, max_depth=3, nthread=1).fit(
        rows.to_numpy(), classes_of(rows, classes)
    )


def contract(classes: int = 2, columns: int = 3) -> Contract:
    return Contract(
        model="toy",
        target="side",
        engine=Engine("xgboost", {}),
        features=tuple(Feature(name, "number", imputed=0.0) for name in "abcd"[:columns]),
        labels=tuple(Label(value, f"class {value}") for value in range(classes)),
        metrics={},
        data_sha256="d" * 64,
        versions={},
    )


def booster(model: XGBClassifier) -> dict[str, NDArray[np.uint8]]:
    return {BOOSTER: np.frombuffer(model.get_booster().save_raw("ubj"), dtype=np.uint8)}


@pytest.mark.parametrize("classes", [2, 3])
def test_it_answers_as_xgboost(tmp_path: Path, classes: int) -> None:
    model, rows = fitted(classes), frame(500, seed=1)
    digest = write(tmp_path / "bundle", contract(classes), booster(model), frame(50))
    served = load(tmp_path / "bundle", expected_digest=digest)
    served.check_smoke()
    answer = served.predict(columns_of(rows))
    np.testing.assert_allclose(answer.probabilities, model.predict_proba(rows.to_numpy()), atol=1e-7)
    assert np.array_equal(answer.labels, model.predict(rows.to_numpy()))


def test_the_same_model_is_the_same_bundle(tmp_path: Path) -> None:
    first, second = (
        write(tmp_path / name, contract(), booster(fitted()), frame(50)) for name in ("one", "two")
    )
    assert first == second


@pytest.mark.parametrize(
    ("classes", "columns", "sentence"),
    [(3, 3, "tells 2 classes apart; the contract has 3"), (2, 4, "takes 3 columns; the contract has 4")],
)
def test_a_booster_that_does_not_fit_is_refused(
    tmp_path: Path, classes: int, columns: int, sentence: str
) -> None:
    rows = frame(50).assign(d=0.0)
    with pytest.raises(BundleError, match=sentence):
        write(tmp_path / "bundle", contract(classes, columns), booster(fitted()), rows)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "bundle", contract(), booster(fitted()), frame(50))
    file = tmp_path / "bundle" / BOOSTER
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(BundleError, match=r"model\.ubj is damaged"):
        load(tmp_path / "bundle")


def test_bytes_that_are_no_booster_are_refused() -> None:
    with pytest.raises(BundleError, match=r"model\.ubj cannot be read"):
        XGBoost({BOOSTER: np.frombuffer(b"not a booster", np.uint8)}, {}, 3, 2)


def test_other_models_need_neither_xgboost_nor_ta_lib() -> None:
    code = "import sys, bundle; assert not {'xgboost', 'talib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
    assert len(set(FEATURES)) == len(FEATURES)
