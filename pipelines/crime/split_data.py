"""Puts each crime on its side: rows to learn from, and rows that no model is ever fitted on."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from crime.layout import day
from crime.schema import CATEGORIES, FEATURES, KEY, OCCURRED_AT, TARGET, TEST_SHARE
from crime.stage import ENRICHED, Document, Rows, Staged, fetch, leave, run_of
from stepkit import csv_tables
from stepkit.errors import NothingToDo
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

STAGE = "split"
Split = Literal["stratified", "by_time"]
_COLUMNS = (KEY, OCCURRED_AT, *FEATURES, TARGET)


def split_data(
    settings: Settings,
    *,
    window_date: Annotated[str, Option("last day of the window, which names its files")],
    enriched_uri: Annotated[str, Option("S3 URI of enrich_data's crimes")],
    enriched_sha256: Annotated[str, Option("sha256 of that file")],
    transforms_uri: Annotated[str, Option("S3 URI of what enrich_data told place and time by")],
    transforms_sha256: Annotated[str, Option("sha256 of that file")],
    data_sha256: Annotated[str, Option("download_data's hash of what it left")],
    parameters_sha256: Annotated[str, Option("download_data's hash of the training parameters")],
    split: Annotated[Split, Option("how sides are chosen")] = "stratified",
    test_share: Annotated[float, Option("share of test rows", minimum=0.05, maximum=0.5)] = TEST_SHARE,
    min_rows: Annotated[int, Option("fewest rows with and without an arrest to train on", minimum=2)] = 100,
    bucket: Annotated[str, Option("bucket of the pipeline", env="DATA_REPO_BUCKET_NAME")] = "data",
) -> Staged:
    """Writes features, time and target of each side; skips when there are too few rows to learn from."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        enriched = read_enriched(fetch(enriched_uri, enriched_sha256, folder / "enriched.csv"))
        told_by = fetch(transforms_uri, transforms_sha256, folder / "transforms.json").read_bytes()
        rows = stratified(enriched, test_share) if split == "stratified" else by_time(enriched, test_share)
        for side, frame in (("train", rows.train), ("test", rows.test)):
            fewest = frame[TARGET].value_counts().reindex([0, 1], fill_value=0).min()
            if fewest < min_rows:
                raise NothingToDo(
                    f"{enriched_uri} gives a {side} side with only {fewest} rows of one of the two outcomes;"
                    f" training needs {min_rows} and waits for more"
                )
        times = {}
        if split == "by_time":
            times["trained_until"] = _milliseconds(rows.train[OCCURRED_AT].max())
            times["test_from"] = _milliseconds(rows.test[OCCURRED_AT].min())
        document = Document(
            stage=STAGE,
            run=run_of(settings),
            window_date=str(day(window_date)),
            data_sha256=data_sha256,
            parameters_sha256=parameters_sha256,
            files={},
            fitted={
                ENRICHED: {"transforms": json.loads(told_by)},
                STAGE: {"split": split, "test_share": test_share, **times},
            },
        )
        kept = Rows(rows.train[list(_COLUMNS)], rows.test[list(_COLUMNS)])
        return leave(document, kept, bucket, folder)


def read_enriched(path: Path) -> pd.DataFrame:
    """Returns key, time, features and target of the enriched crimes; the target is 0 or 1."""
    types = dict.fromkeys(CATEGORIES, pa.string()) | {OCCURRED_AT: pa.string(), TARGET: pa.bool_()}
    table = csv_tables.read(path, types, "enrich_data", _COLUMNS)
    frame: pd.DataFrame = table.to_pandas()
    return frame.assign(**{TARGET: frame[TARGET].astype("int64")})


def stratified(rows: pd.DataFrame, test_share: float) -> Rows:
    """Splits by a hash of the key, with the same share of arrests on both sides.

    A crime's side is a function of its id and the share alone, so that it is the same in every window: what
    one model was fitted on is never a test row of another. So that both sides have the same share of
    arrests to a row, a few test rows of the outcome that has too many, those with the greatest hashes, are
    on neither side.

    Args:
        rows: with `id` and `arrest`.
        test_share: of all rows, about.
    """
    hashes = key_hashes(rows[KEY])
    is_test = hashes < test_share
    train, test = rows[~is_test], rows[is_test].assign(_hash=hashes[is_test]).sort_values("_hash")
    arrests = test[TARGET] == 1
    share = float((train[TARGET] == 1).mean())
    most_arrests, most_others = int(arrests.sum()), int((~arrests).sum())
    if 0 < share < 1:
        most_arrests = min(most_arrests, round(most_others * share / (1 - share)))
        most_others = min(most_others, round(most_arrests * (1 - share) / share))
    test = pd.concat([test[arrests].head(most_arrests), test[~arrests].head(most_others)])
    return Rows(_ordered(train), _ordered(test.drop(columns="_hash")))


def by_time(rows: pd.DataFrame, test_share: float) -> Rows:
    """Splits at an instant: all that happened from it on is for testing."""
    occurred = rows[OCCURRED_AT]
    border = occurred.sort_values().iloc[min(len(rows) - 1, round(len(rows) * (1 - test_share)))]
    is_test = occurred >= border
    return Rows(_ordered(rows[~is_test]), _ordered(rows[is_test]))


def key_hashes(keys: pd.Series) -> NDArray[np.float64]:
    """Returns a number from 0 to 1 for each key, the same one whenever and wherever it is asked."""
    digests = (hashlib.blake2b(str(key).encode(), digest_size=8).digest() for key in keys.tolist())
    return np.frombuffer(b"".join(digests), dtype=">u8") / 2.0**64


def _milliseconds(occurred_at: str) -> int:
    moment: float = pd.Timestamp(occurred_at).timestamp()
    return round(moment * 1000)


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(KEY, ignore_index=True)


if __name__ == "__main__":
    run(split_data)
