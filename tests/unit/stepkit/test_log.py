"""Lines of the log: one JSON object each, that steers no terminal and names its run."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from stepkit import log
from stepkit.settings import Run

RUN = Run(dag_id="training", run_id="r1", task_id="train")
NAMES = {"dag_id": "training", "run_id": "r1", "task_id": "train"}


def formatted(**fields: Any) -> str:
    """Returns the line of a record of a known time."""
    record = logging.makeLogRecord(
        {"name": "stepkit.s3", "levelname": "INFO", "msg": "read", "created": 1764500000.1239} | fields
    )
    return log.JsonLines(RUN).format(record)


def test_a_line_names_its_time_its_place_and_its_run() -> None:
    line = formatted(msg="%s of %d", args=("año", 2))
    assert json.loads(line) == {
        "time": "2025-11-30T10:53:20.123+00:00",
        "level": "INFO",
        "logger": "stepkit.s3",
        "message": "año of 2",
        **NAMES,
    }
    assert "año" in line


def test_a_program_is_named_by_its_module() -> None:
    assert json.loads(formatted(name="__main__", module="train"))["logger"] == "train"


def test_an_exception_stands_in_its_line() -> None:
    try:
        raise ValueError("no rows")
    except ValueError:
        line = formatted(exc_info=sys.exc_info())
    told = json.loads(line)["exception"]
    assert told.startswith("Traceback")
    assert told.endswith("ValueError: no rows")
    assert "\n" not in line


@pytest.mark.parametrize("character", ["\x1b", "\x7f", "\x9b", "\u202e", "\u2028", "\u2066", "\ud800"])
def test_what_steers_a_terminal_or_has_no_bytes_is_escaped(character: str) -> None:
    line = formatted(msg=f"a{character}b")
    assert f"a\\u{ord(character):04x}b" in line
    assert json.loads(line)["message"] == f"a{character}b"


@pytest.fixture
def _own_root() -> Iterator[None]:
    """Has the logging of this process as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_own_root")
def test_a_process_logs_what_matters_once_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    log.start(RUN)
    log.start(RUN)
    logging.getLogger("a.step").info("told")
    logging.getLogger("a.step").debug("not told")
    for chatty in ("botocore.hooks", "boto3", "urllib3.connectionpool", "s3transfer"):
        logging.getLogger(chatty).info("not told")
        logging.getLogger(chatty).warning("told")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["logger"], line["message"]) for line in lines] == [
        (name, "told")
        for name in ("a.step", "botocore.hooks", "boto3", "urllib3.connectionpool", "s3transfer")
    ]
    assert all(NAMES.items() <= line.items() for line in lines)
