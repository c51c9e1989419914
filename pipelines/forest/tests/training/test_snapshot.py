"""What a snapshot promises: clean rows, fixed sides, a hash of its content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forest import snapshot as of_forest
from forest.snapshot import FEATURES, NAMES, TEST, TEST_SHARE, TRAIN, Snapshot, clean, sides
from stepkit.errors import InvalidInput


def test_a_rows_side_does_not_depend_on_the_other_rows(covertype: pd.DataFrame) -> None:
    few, many = clean(covertype[:2000]), clean(covertype[:6000])
    both = few.merge(many, on=list(NAMES), suffixes=("_few", "_many"))
    assert len(both) == len(few)
    assert (both["side_few"] == both["side_many"]).all()


def test_a_side_is_forever(covertype: pd.DataFrame) -> None:
    found = sides(covertype[:40])
    assert [row for row, side in enumerate(found) if side == TEST] == [0, 21, 28, 29, 30, 31, 34]


def test_no_train_row_becomes_a_test_row_when_a_feature_is_added(
    covertype: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sides(covertype[:2000])
    monkeypatch.setattr(of_forest, "FEATURES", (*FEATURES, "canopy"))
    assert sides(covertype[:2000].assign(canopy=range(2000))) == before


def test_about_a_fifth_of_the_rows_are_test_rows(covertype: pd.DataFrame) -> None:
    share = (clean(covertype[:20_000])["side"] == TEST).mean()
    assert share == pytest.approx(TEST_SHARE, abs=0.01)


def test_rows_that_differ_only_in_the_target_are_on_one_side(covertype: pd.DataFrame) -> None:
    other = covertype[:1000].assign(cover_type=(covertype["cover_type"][:1000] + 1) % 7)
    rows = clean(pd.concat([covertype[:1000], other]))
    train, test = (rows.loc[rows["side"] == side, list(FEATURES)] for side in (TRAIN, TEST))
    assert len(train) + len(test) == 2000
    assert train.merge(test).empty


def test_rows_are_kept_once_whatever_their_order_and_spelling(covertype: pd.DataFrame) -> None:
    rows = covertype[:500]
    shuffled = pd.concat([rows.sample(frac=1, random_state=0), rows[:100]])
    shuffled["wilderness_area"] = shuffled["wilderness_area"].str.upper() + " "
    shuffled["soil_type"] = shuffled["soil_type"].str.lower()
    assert Snapshot(clean(shuffled), 1, "p").sha256 == Snapshot(clean(rows), 1, "p").sha256


def test_missing_features_stay_missing_and_missing_targets_go(covertype: pd.DataFrame) -> None:
    rows = covertype[:10].astype({"elevation": float, "cover_type": float})
    rows.loc[0, ["elevation", "soil_type"]] = [np.nan, ""]
    rows.loc[1, "cover_type"] = np.nan
    cleaned = clean(rows)
    assert len(cleaned) == 9
    assert cleaned[["elevation", "soil_type"]].isna().sum().tolist() == [1, 1]
    assert cleaned["cover_type"].dtype == "int64"


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("elevation", "high", "column elevation holds 'high' .* whole number within -500 and 9000"),
        ("slope", 91, "column slope holds 91"),
        ("aspect", 1.5, "column aspect holds 1.5"),
        ("cover_type", 7, "column cover_type holds 7"),
    ],
)
def test_a_value_that_its_column_cannot_have_is_refused(
    covertype: pd.DataFrame, column: str, value: object, sentence: str
) -> None:
    rows = covertype[:10].astype({column: object})
    rows.loc[3, column] = value
    with pytest.raises(InvalidInput, match=sentence):
        clean(rows)


def test_a_table_without_a_column_is_refused(covertype: pd.DataFrame) -> None:
    with pytest.raises(InvalidInput, match="the table has no column slope, soil_type"):
        clean(covertype.drop(columns=["slope", "soil_type"]))


def test_a_snapshot_survives_its_file(covertype: pd.DataFrame, tmp_path: Path) -> None:
    rows = covertype[:50].astype({"elevation": float})
    rows.loc[0, ["elevation", "soil_type"]] = [np.nan, None]
    snapshot = Snapshot(clean(rows), 3, "p")
    snapshot.write(tmp_path / "s.parquet")
    read = Snapshot.read(tmp_path / "s.parquet")
    assert (read.sha256, read.captures, read.parameters_sha256) == (snapshot.sha256, 3, "p")
    pd.testing.assert_frame_equal(read.rows, snapshot.rows)


def test_any_change_of_a_value_changes_the_hash(covertype: pd.DataFrame) -> None:
    rows = clean(covertype[:50])
    changed = rows.copy()
    changed.loc[7, "soil_type"] = "C9999"
    assert Snapshot(changed, 1, "p").sha256 != Snapshot(rows, 1, "p").sha256


def test_a_file_that_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InvalidInput, match=r"s\.parquet is not a snapshot"):
        Snapshot.read(tmp_path / "s.parquet")
