"""How a step ends when it does not end well: an exit code for Airflow, a code and fields for a person."""

from __future__ import annotations

import errno
from enum import StrEnum
from pathlib import Path
from typing import Any

from stepkit import exit_codes

S3, POSTGRES, MLFLOW = "s3", "postgres", "mlflow"
"""The services of the platform, as `StepError.service` names them; a source is named by its host."""


class Code(StrEnum):
    """Why a step ended: what `quintet why` goes by. docs/operations.md lists them."""

    INVALID_SETTING = "INVALID_SETTING"
    MISSING_INPUT = "MISSING_INPUT"
    EMPTY_INPUT = "EMPTY_INPUT"
    INVALID_ROW = "INVALID_ROW"
    SCHEMA_CHANGED = "SCHEMA_CHANGED"
    UNREADABLE_INPUT = "UNREADABLE_INPUT"
    INPUT_REPLACED = "INPUT_REPLACED"
    REQUEST_REFUSED = "REQUEST_REFUSED"
    UNTRUSTED_CERTIFICATE = "UNTRUSTED_CERTIFICATE"
    TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
    STATE_CONFLICT = "STATE_CONFLICT"
    UNUSABLE_MODEL = "UNUSABLE_MODEL"
    INVALID_INPUT = "INVALID_INPUT"
    SERVICE_DOWN = "SERVICE_DOWN"
    ACCESS_REFUSED = "ACCESS_REFUSED"
    STORAGE_FULL = "STORAGE_FULL"
    SOURCE_CHANGING = "SOURCE_CHANGING"
    NOTHING_TO_DO = "NOTHING_TO_DO"
    TERMINATED = "TERMINATED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    DISK_FULL = "DISK_FULL"
    BUG = "BUG"

    @classmethod
    def of_bug(cls, error: Exception) -> Code:
        """Returns the code of an exception that is not a `StepError`."""
        if isinstance(error, MemoryError):
            return cls.OUT_OF_MEMORY
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return cls.DISK_FULL
        return cls.BUG


class StepError(Exception):
    """An ending that is not a bug.

    Args:
        message: one sentence for the person who reads the run; it names the place too.
        code: why; without one, that of the class.
        file: S3 URI, URL, path or table that holds what is wrong.
        row: its number in the file, from 1, or the line's where the file has lines.
        column: as the source names it.
        service: what did not do its work: `S3`, `POSTGRES`, `MLFLOW`, or a source's host and port.
    """

    exit_code: int = exit_codes.BUG
    default_code: Code = Code.BUG

    def __init__(
        self,
        message: str,
        code: Code | None = None,
        *,
        file: str | Path = "",
        row: int | None = None,
        column: str = "",
        service: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.file, self.column, self.service = str(file), str(column), service
        self.row = None if row is None else int(row)  # pandas' numbers are not JSON

    @property
    def fields(self) -> dict[str, Any]:
        """The ending as its step's result holds it; a field that is not known is left out."""
        known = {"file": self.file, "row": self.row, "column": self.column, "service": self.service}
        return {
            "code": str(self.code),
            "message": str(self),
            "exit_code": self.exit_code,
            **{name: value for name, value in known.items() if value not in ("", None)},
        }


class InvalidInput(StepError):
    """The input is invalid and stays so at the next try; the message names what, where, and what to do."""

    exit_code = exit_codes.INVALID_INPUT
    default_code = Code.INVALID_INPUT


class DependencyUnavailable(StepError):
    """Something the step needs does not answer now; Airflow tries again with back-off."""

    exit_code = exit_codes.DEPENDENCY_UNAVAILABLE
    default_code = Code.SERVICE_DOWN


class NothingToDo(StepError):
    """There is no work in this run; Airflow shows the task, and those after it, as skipped."""

    exit_code = exit_codes.NOTHING_TO_DO
    default_code = Code.NOTHING_TO_DO


class InvalidRow(ValueError):
    """A row is not what its schema says.

    Args:
        reason: what is wrong, as the end of a sentence whose subject is the row, or its column.
        column: as the source names it; nothing when it is not one column that is wrong.
    """

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(f"column {column}: {reason}" if column else reason)
        self.column = column

    def at(self, file: str | Path, row: int, word: str = "row") -> InvalidInput:
        """Returns the refusal of the file that holds the row.

        Args:
            file: see `StepError`.
            row: see `StepError`.
            word: what the sentence calls it: `row`, or `line`.
        """
        return InvalidInput(
            f"{file}: {word} {row} {self}", Code.INVALID_ROW, file=file, row=row, column=self.column
        )


class Terminated(BaseException):
    """SIGTERM arrived. Not an `Exception`, so that no step swallows it by accident."""

    exit_code = exit_codes.TERMINATED
