"""Defects are counted, a row's side is its own, and nothing of a test row reaches the preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from penguins import snapshot as of_penguins
from penguins.load_raw import DATA, lines
from penguins.models import preprocessed
from penguins.schema import COLUMNS, FEATURES, NUMBERS
from penguins.snapshot import TEST, Defects, Snapshot, clean
from stepkit.errors import InvalidInput


@pytest.fixture
def raw() -> pd.DataFrame:
    return pd.DataFrame(list(lines(DATA)), columns=["line", *COLUMNS])


def test_the_defects_of_the_file_are_counted(raw: pd.DataFrame) -> None:
    rows, defects = clean(raw)
    assert defects == Defects(
        lines_without_measurements=2, missing_measurements=0, missing_sex=9, unknown_sex=1
    )
    assert (len(raw), len(rows)) == (344, 342)
    assert rows[list(NUMBERS)].notna().all(axis=None)
    assert np.isnan(rows.set_index("line").loc[338, "sex"])


def test_a_line_with_some_measurements_stays(raw: pd.DataFrame) -> None:
    raw.loc[0, "body_mass_g"] = "NA"
    rows, defects = clean(raw)
    assert (len(rows), defects.missing_measurements) == (342, 1)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("body_mass_g", "heavy", "line 2 column body_mass_g: 'heavy' is not a number within 1000 and 10000"),
        ("culmen_depth_mm", "181", "line 2 column culmen_depth_mm: '181' is not a number within 5 and 50"),
        ("island", "Java", "line 2 column island: 'Java' is not one of Biscoe, Dream, Torgersen"),
        ("sex", "?", "line 2 column sex: '?' is not one of FEMALE, MALE"),
        ("species", "Emperor", "line 2 column species: 'Emperor' is not one of Adelie"),
        ("species", "NA", "line 2 column species is missing"),
    ],
)
def test_a_value_that_is_no_known_defect_is_refused(
    raw: pd.DataFrame, column: str, value: str, sentence: str
) -> None:
    raw.loc[0, column] = value
    with pytest.raises(InvalidInput, match=sentence.replace("?", r"\?")):
        clean(raw)


def test_no_train_row_becomes_a_test_row_when_a_feature_is_added(
    raw: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = clean(raw)
    monkeypatch.setattr(of_penguins, "FEATURES", (*FEATURES, "year"))
    monkeypatch.setattr(of_penguins, "NUMBERS", (*NUMBERS, "year"))
    monkeypatch.setitem(of_penguins.LIMITS, "year", (0.0, 9999.0))
    monkeypatch.setattr(of_penguins, "_COLUMNS", ("line", *FEATURES, "year", "species", "side"))
    after, _ = clean(raw.assign(year=[str(2000 + line) for line in range(len(raw))]))
    both = before.merge(after, on="line", suffixes=("_before", "_after"))
    assert len(both) == len(before)
    assert both["side_after"].tolist() == both["side_before"].tolist()


def test_a_side_depends_on_the_row_alone(raw: pd.DataFrame) -> None:
    whole, _ = clean(raw)
    part, _ = clean(raw.iloc[::-3])
    sides = whole.set_index("line")["side"]
    assert part.set_index("line")["side"].to_dict() == sides.loc[part["line"]].to_dict()
    assert 0.2 < (sides == TEST).mean() < 0.3
    assert whole.groupby("side")["species"].nunique().tolist() == [3, 3]


def test_nothing_of_a_test_row_reaches_the_preparation(raw: pd.DataFrame) -> None:
    rows, defects = clean(raw)
    snapshot = Snapshot(rows, defects, "")
    shifted = rows.copy()
    shifted.loc[shifted["side"] == TEST, list(NUMBERS)] *= 3
    train = snapshot.train
    before, after = (
        preprocessed(Snapshot(each, defects, "").train, train[list(FEATURES)]) for each in (rows, shifted)
    )
    pd.testing.assert_frame_equal(before, after)
    assert np.allclose(before[list(NUMBERS)].mean(), 0)
    assert np.allclose(before[list(NUMBERS)].std(ddof=0), 1)
    assert list(before) == [
        *NUMBERS,
        *("island_biscoe", "island_dream", "island_torgersen", "sex_female", "sex_male"),
    ]


def test_a_snapshot_comes_back_with_its_hash(raw: pd.DataFrame, tmp_path: Path) -> None:
    snapshot = Snapshot(*clean(raw), "parameters")
    snapshot.write(tmp_path / "s.parquet")
    again = Snapshot.read(tmp_path / "s.parquet")
    assert (again.sha256, again.defects, again.parameters_sha256) == (
        snapshot.sha256,
        snapshot.defects,
        "parameters",
    )
    (tmp_path / "s.parquet").write_bytes(b"none")
    with pytest.raises(InvalidInput, match=r"s\.parquet is not a snapshot"):
        Snapshot.read(tmp_path / "s.parquet")


def test_a_file_that_a_spreadsheet_has_saved_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    text = DATA.read_text().replace("Torgersen", "Torgersen\u200b").replace("\n", "\r\n")
    path.write_bytes(f"{text}\r\n".encode("utf-8-sig"))
    assert list(lines(path)) == list(lines(DATA))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty: its first line must be species,island"),
        ("a,b\n", "line 1 is 'a,b'"),
        (",".join(COLUMNS) + "\n1,2\n", "line 2 has 2 fields, not 7"),
        (",".join(COLUMNS) + '\n"1', "cannot be read as CSV"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=sentence):
        list(lines(path))
