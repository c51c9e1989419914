"""Returns each frequent value of a category a 0/1 column of its own; which ones, is learned on train rows."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from crime import stage
from crime.fitted import Encoding
from crime.schema import CATEGORIES, KEY, NUMBERS, TARGET
from crime.stage import Rows, Staged
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

STAGE = "encoded"


def encode_data(
    settings: Settings,
    *,
    document_uri: Annotated[str, Option("S3 URI of process_outliers' document")],
    min_share: Annotated[float, Option("of the train rows, for a column", minimum=0, maximum=0.5)] = 0.005,
) -> Staged:
    """Encodes the categories of both sides; a rare or new value is 0 in all of its columns."""
    with stage.after(settings, document_uri) as step:
        encodings = {name: learn(step.rows.train[name], min_share) for name in CATEGORIES}
        rows = Rows(*(encoded(side, encodings) for side in (step.rows.train, step.rows.test)))
        return step.write(STAGE, rows, {name: found.to_dict() for name, found in encodings.items()})


def learn(values: pd.Series, min_share: float) -> Encoding:
    """Learns which values are frequent, and which is most so: that one stands for missing ones.

    Raises:
        InvalidInput: no row has a value.
    """
    counts = values.value_counts()
    if counts.empty:
        raise InvalidInput(
            f"column {values.name} is missing in every train row: it cannot be learned",
            Code.TOO_LITTLE_DATA,
            column=str(values.name),
        )
    most = counts[counts == counts.max()].index.min()
    frequent = set(counts[counts >= min_share * len(values)].index) | {most}
    return Encoding(str(most), sorted(frequent))


def encoded(rows: pd.DataFrame, encodings: dict[str, Encoding]) -> pd.DataFrame:
    """Returns key, target, numbers, and the 0/1 columns of the categories."""
    dummies = {
        column: values
        for name, found in encodings.items()
        for column, values in found.apply(name, rows[name]).items()
    }
    return pd.concat([rows[[KEY, TARGET, *NUMBERS]], pd.DataFrame(dummies, index=rows.index)], axis=1)


if __name__ == "__main__":
    run(encode_data)
