"""Predicts the rows of a Parquet file by the champion."""

from __future__ import annotations

from forest.policy import POLICY
from stepkit.batch import predict_step
from stepkit.batch.predict_step import (
    InputUri,
    Options,
    OutputUri,
    Partition,
    Partitions,
    Predicted,
    RowsAtOnce,
    Threads,
)
from stepkit.settings import Settings
from stepkit.step import run


def batch_predict(
    settings: Settings,
    *,
    input_uri: InputUri,
    output_uri: OutputUri,
    rows_at_once: RowsAtOnce = 50_000,
    partition: Partition = 0,
    partitions: Partitions = 1,
    threads: Threads = 2,
) -> Predicted:
    """Writes the champion's predictions beside the rows; a retry goes on where a former try ended."""
    asked = Options(input_uri, output_uri, rows_at_once, partition, partitions, threads)
    return predict_step.predict(settings, POLICY, asked)


if __name__ == "__main__":
    run(batch_predict)
