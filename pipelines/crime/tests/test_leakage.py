"""No model sees what is known only after a crime; `test_training` shows that no test row is learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from crime import split_data
from crime.schema import ENRICHED_COLUMNS, FEATURES, KEY, LEFT_OUT, TARGET
from crime.stage import Rows
from crime.tests.rows import enriched
from stepkit import csv_tables


def test_every_column_is_a_feature_the_target_the_key_or_left_out_for_a_reason() -> None:
    groups = [set(FEATURES), set(LEFT_OUT), {TARGET, KEY}]
    assert set().union(*groups) == set(ENRICHED_COLUMNS)
    assert sum(map(len, groups)) == len(ENRICHED_COLUMNS), "no column is in two of them"


def sides_of(crimes: pd.DataFrame, folder: object) -> Rows:
    """Both sides, as `split_data` reads and leaves them."""
    path = f"{folder}/enriched.csv"
    csv_tables.write(pa.Table.from_pandas(crimes, preserve_index=False), path)  # type: ignore[arg-type]
    rows = split_data.stratified(split_data.read_enriched(path), 0.2)  # type: ignore[arg-type]
    columns = [KEY, *FEATURES, TARGET]
    return Rows(rows.train[columns], rows.test[columns])


def test_whatever_is_left_out_says_models_see_the_same(tmp_path: object) -> None:
    crimes = enriched(2000).assign(arrest=lambda rows: rows["arrest"].eq(1))
    others = {
        name: pd.Series([None] * len(crimes), dtype="str") for name in LEFT_OUT if name != "occurred_at"
    }
    telling = {
        name: pd.Series(np.where(crimes["arrest"], f"arrest {name}", name), dtype="str") for name in others
    }
    first, second = (sides_of(crimes.assign(**each), tmp_path) for each in (others, telling))
    pd.testing.assert_frame_equal(first.train, second.train)
    pd.testing.assert_frame_equal(first.test, second.test)
