"""Tables that one step writes as CSV and the next one reads: whatever their texts hold, it comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from stepkit.errors import Code, InvalidInput


def write(table: pa.Table, path: Path) -> None:
    """Writes a table; the same rows give the same bytes."""
    csv.write_csv(table, path, csv.WriteOptions(quoting_style="needed"))


def read(
    path: Path, types: Mapping[str, pa.DataType], maker: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """Reads a file of `write`, or of `stepkit.csv_files.Writer`; an empty field is null.

    Args:
        path: the file.
        types: of its columns; of one that is not named, what its values look like.
        maker: the step that makes such files, for a refusal.
        columns: those to read, in this order; all unless given.

    Raises:
        InvalidInput: it lacks a column, is not CSV, or holds what its type is not.
    """
    try:
        return csv.read_csv(
            path,
            # Without this, a text with a line break is cut where a block of the file ends.
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                include_columns=list(columns) if columns else None,
                column_types=dict(types),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
        raise InvalidInput(
            f"{path.name} is not a file of {maker}: {error}", Code.UNREADABLE_INPUT, file=path.name
        ) from error
