"""Rows of a Parquet file as the columns that a bundle takes, and its answers as columns beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bundle import Bundle, Columns, Feature
from bundle.engines.arrays import LARGEST
from bundle.transforms import Input, UnusableInput
from stepkit.errors import Code, InvalidInput

LABEL, NAME, PROBABILITY, UNKNOWN = "prediction", "prediction_name", "probability_", "unknown_categories"


class Rows:
    """What a model takes of rows, and what it says of them.

    Args:
        model: a bundle.
        file: what holds the rows, for a refusal.

    Raises:
        InvalidInput: the model answers a series, not rows.
    """

    def __init__(self, model: Bundle, file: str) -> None:
        if series := model.inputs.series:
            raise InvalidInput(
                f"the model {model.contract.model} answers {series.name}, a series: ask its API",
                Code.UNUSABLE_MODEL,
            )
        self._model, self._file = model, file
        self._taken: tuple[Input | Feature, ...] = (*model.inputs.fields, *model.inputs.features)

    def check(self, schema: pa.Schema) -> None:
        """Checks that a file has the columns that the model takes, and none that an answer needs the name of.

        Raises:
            InvalidInput: one is absent, of another type, or has the name of an answer's; names it.
        """
        for each in self._taken:
            if each.name not in schema.names:
                if not each.nullable:
                    raise self._refusal(f"has no column {each.name}, which the model takes", each.name)
            elif not _fits(each, schema.field(each.name).type):
                needed = "texts" if _is_text(each) else "numbers"
                found = schema.field(each.name).type
                raise self._refusal(f"column {each.name} holds {found}; the model takes {needed}", each.name)
        for name in schema.names:
            if name in (LABEL, NAME, UNKNOWN) or name.startswith(PROBABILITY):
                raise self._refusal(f"column {name} has the name of an answer: rename it", name)

    def answer(self, rows: pa.Table, first: int) -> pa.Table:
        """Returns rows with the model's answers beside them.

        Args:
            rows: of a schema that `check` has let pass.
            first: the number of the first of them in the file, from 1.

        Returns:
            The rows' own columns; `prediction`, the label's value; `prediction_name`; a column
            `probability_<value>` for each label; and `unknown_categories`, the names of the features whose
            category training has not seen.

        Raises:
            InvalidInput: a value is not what the model takes; names row and column.
        """
        columns = {each.name: self._column(each, rows, first) for each in self._taken}
        if self._model.inputs.rows:
            try:
                columns |= self._model.inputs.apply(columns)
            except UnusableInput as error:
                problem = f"row {first + error.row} column {error.field}: {error.problem}"
                raise self._refusal(problem, error.field, first + error.row) from None
        return _beside(rows, self._model, columns)

    def _column(self, taken: Input | Feature, rows: pa.Table, first: int) -> NDArray[Any]:
        text = _is_text(taken)
        if taken.name not in rows.schema.names:
            return np.full(len(rows), None, dtype=object) if text else np.full(len(rows), np.nan)
        column = rows.column(taken.name)
        missing = pc.is_null(column, nan_is_null=True)
        if not taken.nullable and pc.any(missing).as_py():
            self._refuse(taken.name, first, missing, "is missing")
        if text:
            return np.asarray(column.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)
        numbers = column.cast(pa.float64())
        beyond = pc.fill_null(pc.greater(pc.abs(numbers), LARGEST), False)
        if pc.any(beyond).as_py():
            self._refuse(taken.name, first, beyond, f"is not a number within {-LARGEST:g} and {LARGEST:g}")
        found: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
        if isinstance(taken, Input):
            self._check_bounds(taken, found, first)
        return found

    def _check_bounds(self, taken: Input, found: NDArray[np.float64], first: int) -> None:
        bounds = (
            (taken.at_least, np.less, "at least"),
            (taken.above, np.less_equal, "above"),
            (taken.at_most, np.greater, "at most"),
        )
        for bound, outside, words in bounds:
            if bound is not None and (wrong := outside(found, bound)).any():
                self._refuse(taken.name, first, pa.array(wrong), f"is not {words} {bound:g}")
        if taken.type == "integer" and (wrong := found % 1 > 0).any():
            self._refuse(taken.name, first, pa.array(wrong), "is not a whole number")

    def _refuse(self, column: str, first: int, wrong: Any, problem: str) -> None:
        row = first + int(np.flatnonzero(np.asarray(wrong))[0])
        raise self._refusal(f"row {row} column {column}: the value {problem}", column, row)

    def _refusal(self, problem: str, column: str, row: int | None = None) -> InvalidInput:
        code = Code.SCHEMA_CHANGED if row is None else Code.INVALID_ROW
        return InvalidInput(f"{self._file}: {problem}", code, file=self._file, row=row, column=column)


def _beside(rows: pa.Table, model: Bundle, columns: Columns) -> pa.Table:
    said, labels = model.predict(columns), model.contract.labels
    ranks = pa.array(said.probabilities.argmax(axis=1).astype(np.int32))
    names = pa.DictionaryArray.from_arrays(ranks, [label.name for label in labels])
    answers = {LABEL: pa.array(said.labels), NAME: names.cast(pa.string())}
    answers |= {f"{PROBABILITY}{label.value}": said.probabilities[:, at] for at, label in enumerate(labels)}
    answers[UNKNOWN] = _names(said.unknown, len(rows))
    for name, values in answers.items():
        rows = rows.append_column(name, pa.array(values) if isinstance(values, np.ndarray) else values)
    return rows


def _names(unknown: dict[str, NDArray[np.bool_]], rows: int) -> pa.Array:
    """Returns for each row the list of the features that hold a category new to the model."""
    matrix = np.array(list(unknown.values()), dtype=bool).reshape(len(unknown), rows)
    ends = np.concatenate([[0], matrix.sum(axis=0).cumsum()]).astype(np.int32)
    features = list(unknown)
    names = [features[at] for at in np.nonzero(matrix.T)[1]]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(names, pa.string()))


def _is_text(taken: Input | Feature) -> bool:
    return taken.type in ("text", "category")


def _fits(taken: Input | Feature, kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    texts: Iterable[Any] = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    numbers: Iterable[Any] = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    return any(is_such(kind) for is_such in (texts if _is_text(taken) else numbers))
