"""Predicts the rows of a Parquet file by the champion: the work of a step `batch-predict`."""

from __future__ import annotations

import logging
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq

from stepkit import postgres
from stepkit.batch.parts import Origin, Output, Part, parts_of
from stepkit.batch.rows import Rows
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.promotion.decisions import Decisions, Model
from stepkit.promotion.policy import Policy
from stepkit.promotion.scoring import open_bundle
from stepkit.s3 import ObjectMissing, ObjectStore
from stepkit.settings import Settings

# The options of a step `batch-predict`.
InputUri = Annotated[str, Option("S3 URI of a Parquet file with the columns that the model takes")]
OutputUri = Annotated[str, Option("S3 prefix that takes the predictions, a Parquet file for each part")]
RowsAtOnce = Annotated[int, Option("most rows of a part", minimum=1)]
Partition = Annotated[int, Option("which of the partitions this pod predicts, from 0", minimum=0)]
Partitions = Annotated[int, Option("how many pods share the rows", minimum=1)]
Threads = Annotated[int, Option("parts that are predicted side by side", minimum=1)]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predicted:
    """What was written."""

    output_uri: str
    model: str
    mlflow_run_id: str
    bundle_digest: str
    rows: int
    """Of this partition, those that a former try has predicted too."""
    parts: int
    """The same."""
    parts_found: int
    """Those of them that a former try has left."""
    complete: bool
    """Whether the parts of all partitions are there."""


@dataclass(frozen=True)
class Options:
    """What a step `batch-predict` is asked; see the types of its options."""

    input_uri: str
    output_uri: str
    rows_at_once: int
    partition: int
    partitions: int
    threads: int


def predict(settings: Settings, policy: Policy, asked: Options) -> Predicted:
    """Predicts the parts of one partition that are not there yet.

    Args:
        settings: lead to Postgres and MLflow.
        policy: of the model: its record says who is champion.
        asked: the options.

    Raises:
        InvalidInput: there is no champion, no such file, a row or column is not what the model takes, or the
            output holds other predictions.
        DependencyUnavailable: Postgres, MLflow or S3 does not answer.
    """
    if asked.partition >= asked.partitions:
        raise InvalidInput(
            f"--partition (PARTITION) is {asked.partition}: it counts from 0 and is below --partitions"
            f" (PARTITIONS), {asked.partitions}",
            Code.INVALID_SETTING,
        )
    champion = _champion(settings, policy)
    store = ObjectStore()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "rows.parquet")
        etag = _fetch(store, asked.input_uri, path)
        with _opened(path, asked.input_uri) as file:
            parts = list(parts_of(file.metadata, asked.rows_at_once))
            schema, total = file.schema_arrow, file.metadata.num_rows
        model = open_bundle(settings, champion, Path(name))
        rows = Rows(model, asked.input_uri)
        rows.check(schema)
        origin = Origin(
            asked.input_uri,
            etag,
            settings.model_name,
            champion.mlflow_run_id,
            champion.bundle_digest,
            asked.rows_at_once,
        )
        output = Output(store, asked.output_uri, origin)
        own = [part for part in parts if part.number % asked.partitions == asked.partition]
        before = output.present()
        todo = [part for part in own if part.name not in before]

        def write(part: Part, answered: pa.Table) -> None:
            part_path = Path(name, part.name)
            pq.write_table(answered, part_path, compression="zstd")
            store.upload(part_path, f"{output.uri}/{part.name}")
            part_path.unlink()
            _logger.info("rows %d to %d are predicted", part.first, part.first + part.rows - 1)

        predict_parts(rows, read_parts(path, parts, todo, asked.rows_at_once), write, asked.threads)
        complete = {part.name for part in parts} <= output.present()
    if complete:
        output.complete(total, len(parts))
    return Predicted(
        output_uri=output.uri,
        model=settings.model_name,
        mlflow_run_id=champion.mlflow_run_id,
        bundle_digest=champion.bundle_digest,
        rows=sum(part.rows for part in own),
        parts=len(own),
        parts_found=len(own) - len(todo),
        complete=complete,
    )


def predict_parts(
    rows: Rows,
    tables: Iterable[tuple[Part, pa.Table]],
    write: Callable[[Part, pa.Table], None],
    threads: int,
) -> None:
    """Predicts parts side by side; of the first that fails, raises what it raised.

    Args:
        rows: of the model.
        tables: the parts with their rows; at most `threads` of them are held at a time.
        write: is called in the thread that has predicted a part, with the rows and the answers beside them.
        threads: how many.
    """

    def work(part: Part, table: pa.Table) -> None:
        write(part, rows.answer(table, part.first))

    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[None]] = deque()
        for part, table in tables:
            if len(running) == threads:
                running.popleft().result()
            running.append(pool.submit(work, part, table))
        for each in running:
            each.result()


def read_parts(
    path: Path, parts: Sequence[Part], wanted: Sequence[Part], rows_at_once: int
) -> Iterator[tuple[Part, pa.Table]]:
    """Yields the wanted parts with their rows, reading only the row groups that hold some."""
    groups = {part.group for part in wanted}
    numbers = {part.number for part in wanted}
    with pq.ParquetFile(path) as file:
        for group, members in groupby(parts, attrgetter("group")):
            if group in groups:
                pieces = file.iter_batches(rows_at_once, row_groups=[group])
                for part, piece in zip(members, pieces, strict=True):
                    if part.number in numbers:
                        yield part, pa.Table.from_batches([piece])


def _champion(settings: Settings, policy: Policy) -> Model:
    with postgres.transaction(settings) as rows:
        champion = Decisions(rows, settings, policy.schema).champion()
    if champion is None:
        raise InvalidInput(
            f"{settings.model_name} has no champion yet: its training and promotion make one",
            Code.MISSING_INPUT,
        )
    return champion


def _fetch(store: ObjectStore, uri: str, path: Path) -> str:
    """Downloads an object and returns its etag."""
    before = store.look(uri)
    if before is None:
        raise ObjectMissing(f"{uri}: there is no such object: --input-uri (INPUT_URI) names a Parquet file")
    store.download(uri, path)
    if store.look(uri) != before:
        raise InvalidInput(f"{uri} was replaced while it was read: run again", Code.INPUT_REPLACED, file=uri)
    return before.etag


def _opened(path: Path, uri: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise InvalidInput(f"{uri} is not a Parquet file: {error}", Code.UNREADABLE_INPUT, file=uri) from None
