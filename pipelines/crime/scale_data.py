"""Brings the numbers to one scale, learned on train rows; 0/1 columns stay as they are."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from crime import stage
from crime.fitted import Scale
from crime.schema import NUMBERS
from crime.stage import Rows, Staged
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

STAGE = "scaled"


def scale_data(
    settings: Settings, *, document_uri: Annotated[str, Option("S3 URI of encode_data's document")]
) -> Staged:
    """Scales the numbers of both sides to mean 0 and variance 1 of the train side."""
    with stage.after(settings, document_uri) as step:
        scales = learn(step.rows.train)
        rows = Rows(*(scaled(side, scales) for side in (step.rows.train, step.rows.test)))
        return step.write(STAGE, rows, {name: found.to_dict() for name, found in scales.items()})


def learn(train: pd.DataFrame) -> dict[str, Scale]:
    """Learns the scale of each number; one that is always the same is only moved."""
    fitted = StandardScaler().fit(train[list(NUMBERS)].to_numpy(dtype=np.float64))
    return {
        name: Scale(float(mean), float(scale))
        for name, mean, scale in zip(NUMBERS, fitted.mean_, fitted.scale_, strict=True)
    }


def scaled(rows: pd.DataFrame, scales: dict[str, Scale]) -> pd.DataFrame:
    """Returns rows with scaled numbers."""
    return rows.assign(**{name: found.apply(rows[name]) for name, found in scales.items()})


if __name__ == "__main__":
    run(scale_data)
