"""How a step ends when it does not end well: each ending has its own exit code, which Airflow acts on."""

from __future__ import annotations


class StepEnd(Exception):
    """An ending that is not a bug. Its text is one sentence for the person who reads the run."""

    exit_code: int = 1


class RefusedInput(StepEnd):
    """The input cannot be used and will not get better by trying again; names what, where, and what to do."""

    exit_code = 2


class OutsideDown(StepEnd):
    """Something the step needs does not answer now; Airflow tries again with back-off."""

    exit_code = 75


class NothingToDo(StepEnd):
    """There is no work in this run; Airflow shows the task, and those after it, as skipped."""

    exit_code = 99


class Terminated(BaseException):
    """SIGTERM arrived. Not an `Exception`, so that no step swallows it by accident."""

    exit_code = 143
