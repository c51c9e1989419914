"""The contract of a step with Airflow: options in, one result and an exit code out."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from stepkit.errors import (
    POSTGRES,
    S3,
    Code,
    DependencyUnavailable,
    InvalidInput,
    InvalidRow,
    NothingToDo,
    Terminated,
)
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import MAX_RESULT_BYTES, execute, run


@dataclass(frozen=True)
class Counted:
    table: str
    rows: int


def count(
    settings: Settings,
    *,
    table: Annotated[str, Option("table to count")],
    limit: Annotated[int, Option("most rows to count", minimum=1, maximum=9)] = 5,
    share: float = 0.5,
    exact: Annotated[bool, Option("count every row")] = True,
    engine: Literal["fast", "slow"] = "fast",
    extra: Annotated[dict[str, Any] | None, Option("free parameters", env="COUNT_EXTRA")] = None,
    since: date | None = None,
    at: datetime | None = None,
) -> Counted:
    """Counts rows."""
    assert isinstance(share, float)
    assert isinstance(exact, bool)
    assert engine in ("fast", "slow")
    assert type(since) is date or since is None
    assert at is None or at.tzinfo
    return Counted(table, limit + (extra or {}).get("more", 0))


class Outcome:
    def __init__(self, code: int, result: Any, logs: list[dict[str, Any]]) -> None:
        self.code, self.result, self.logs = code, result, logs


@pytest.fixture
def outcome(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def run(function: Any, *arguments: str, environment: Mapping[str, str] | None = None) -> Outcome:
        path = tmp_path / "result"
        code = execute(
            function, arguments, {"RESULT_PATH": str(path), "RUN_ID": "run 1", **(environment or {})}
        )
        printed = capsys.readouterr()
        assert printed.out.splitlines()[-1] == path.read_text()
        return Outcome(
            code, json.loads(path.read_text()), [json.loads(line) for line in printed.err.splitlines()]
        )

    return run


def test_the_result_is_written_and_printed_last(outcome: Any) -> None:
    done = outcome(count, "--table", "t", "--limit", "3")
    assert (done.code, done.result) == (0, {"table": "t", "rows": 3})


def test_an_option_may_come_from_the_environment_and_the_command_line_wins(outcome: Any) -> None:
    environment = {"TABLE": "from environment", "LIMIT": "2", "COUNT_EXTRA": '{"more": 10}'}
    assert outcome(count, environment=environment).result == {"table": "from environment", "rows": 12}
    assert outcome(count, "--limit", "4", environment=environment).result["rows"] == 14


def test_a_day_and_a_time_are_read(outcome: Any) -> None:
    times = ("--since", "2026-01-31", "--at", "2026-01-31T12:00:00Z")
    assert outcome(count, "--table", "t", *times).code == 0


def test_an_empty_option_counts_as_not_given(outcome: Any) -> None:
    assert outcome(count, "--table", "t", "--limit", "").result["rows"] == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--table (TABLE) is required: table to count"),
        (["--table", "t", "--limit", "abc"], "--limit (LIMIT) got 'abc': it must be a whole number"),
        (["--table", "t", "--limit", "10"], "--limit (LIMIT) got '10': it must be at least 1 and at most 9"),
        (["--table", "t", "--share", "nan"], "--share (SHARE) got 'nan': it must be a finite number"),
        (["--table", "t", "--exact", "yes"], "--exact (EXACT) got 'yes': it must be true or false"),
        (["--table", "t", "--engine", "x"], "--engine (ENGINE) got 'x': choose one of fast, slow"),
        (["--table", "t", "--extra", "[]"], "--extra (COUNT_EXTRA) got '[]': it must be a JSON object"),
        (
            ["--table", "t", "--since", "31/1/26"],
            "--since (SINCE) got '31/1/26': write a date, as 2026-01-31",
        ),
        (["--table", "t", "--at", "2026-01-31"], "--at (AT) got '2026-01-31': write a time with its zone"),
        (["--table", "t", "--tabel", "u"], "unrecognized arguments: --tabel u; `python -m"),
    ],
)
def test_a_bad_option_is_refused_in_one_sentence(outcome: Any, arguments: list[str], sentence: str) -> None:
    refused = outcome(count, *arguments)
    assert refused.code == 2
    assert refused.result["message"].startswith(sentence)
    assert (refused.result["code"], refused.result["exit_code"]) == ("INVALID_SETTING", 2)


def test_help_names_every_option_and_its_environment_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        execute(count, ["--help"], {})
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--table STR table to count [TABLE; required]" in text
    assert "--extra JSON free parameters [COUNT_EXTRA; optional]" in text
    assert "--run-id STR" in text


@pytest.mark.parametrize(
    ("raised", "code", "result"),
    [
        (NothingToDo("no new rows"), 99, {"code": "NOTHING_TO_DO", "message": "no new rows"}),
        (InvalidInput("it is odd"), 2, {"code": "INVALID_INPUT", "message": "it is odd"}),
        (
            InvalidInput("no", Code.MISSING_INPUT, file=Path("/data/a.csv"), row=3, column="c", service=S3),
            2,
            {
                "code": "MISSING_INPUT",
                "message": "no",
                "file": "/data/a.csv",
                "row": 3,
                "column": "c",
                "service": "s3",
            },
        ),
        (
            InvalidRow("'high' is not a number", "Elevation").at("s3://data/x", 4),
            2,
            {
                "code": "INVALID_ROW",
                "message": "s3://data/x: row 4 column Elevation: 'high' is not a number",
                "file": "s3://data/x",
                "row": 4,
                "column": "Elevation",
            },
        ),
        (
            DependencyUnavailable("Postgres sleeps", service=POSTGRES),
            75,
            {"code": "SERVICE_DOWN", "message": "Postgres sleeps", "service": "postgres"},
        ),
        (Terminated("stop"), 143, {"code": "TERMINATED", "message": "stop"}),
        (KeyError("k"), 1, {"code": "BUG", "message": "KeyError: 'k'"}),
        (MemoryError("1 GiB"), 1, {"code": "OUT_OF_MEMORY", "message": "MemoryError: 1 GiB"}),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            {"code": "DISK_FULL", "message": "OSError: [Errno 28] No space left on device"},
        ),
    ],
)
def test_each_ending_has_its_exit_code(
    outcome: Any, raised: BaseException, code: int, result: dict[str, Any]
) -> None:
    def end(settings: Settings) -> None:
        raise raised

    ended = outcome(end)
    assert (ended.code, ended.result) == (code, result | {"exit_code": code})


def test_a_bug_leaves_its_traceback_in_the_log(outcome: Any) -> None:
    def fail(settings: Settings) -> None:
        raise ZeroDivisionError("by nothing")

    (line,) = outcome(fail).logs
    assert "in fail" in line["exception"]


def test_sigterm_ends_a_step_cleanly(outcome: Any) -> None:
    cleaned = []

    def wait(settings: Settings) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)

    assert outcome(wait).code == 143
    assert cleaned


def test_logs_are_json_lines_that_name_the_run(outcome: Any) -> None:
    environment = {"DAG_ID": "d", "RUN_ID": "r", "TASK_ID": "t"}

    def end(settings: Settings) -> None:
        raise NothingToDo("naught")

    (line,) = outcome(end, environment=environment).logs
    assert {name: line[name] for name in ("dag_id", "run_id", "task_id")} == {
        "dag_id": "d",
        "run_id": "r",
        "task_id": "t",
    }
    assert outcome(end, "--run-id", "other", environment=environment).logs[0]["run_id"] == "other"


def test_a_result_that_the_kubelet_would_cut_is_a_bug(outcome: Any) -> None:
    def boast(settings: Settings) -> dict[str, str]:
        return {"text": "é" * MAX_RESULT_BYTES}

    ended = outcome(boast)
    assert ended.code == 1
    assert "write it to S3" in ended.result["message"]


def test_a_long_sentence_is_shortened_to_valid_json(outcome: Any) -> None:
    def lament(settings: Settings) -> None:
        raise InvalidInput("é" * 3 * MAX_RESULT_BYTES, row=4, file="s3://data/x")

    ended = outcome(lament)
    assert ended.code == 2
    assert len(json.dumps(ended.result, ensure_ascii=False).encode()) <= MAX_RESULT_BYTES
    assert ended.result["message"].endswith("…")
    assert (ended.result["file"], ended.result["row"]) == ("s3://data/x", 4)


def test_a_sentence_is_shortened_no_more_than_it_needs(outcome: Any) -> None:
    def lament(settings: Settings) -> None:
        raise InvalidInput("x" * (MAX_RESULT_BYTES + 100))

    message = outcome(lament).result["message"]
    assert len(message) == MAX_RESULT_BYTES * 3 // 4 + 1


def test_texts_are_written_as_they_are(outcome: Any, tmp_path: Path) -> None:
    def say(settings: Settings) -> dict[str, str]:
        return {"text": "día"}

    def refuse(settings: Settings) -> None:
        raise InvalidInput("día")

    def lament(settings: Settings) -> None:
        raise InvalidInput("día " * MAX_RESULT_BYTES)

    for step in (say, refuse, lament):
        outcome(step)
        assert "día" in (tmp_path / "result").read_text(encoding="utf-8")


def test_a_number_that_json_does_not_have_is_a_bug(outcome: Any) -> None:
    ended = outcome(lambda settings: {"share": float("nan")})
    assert (ended.code, ended.result["code"]) == (1, "BUG")


def test_a_process_ends_with_the_code_of_its_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["count", "--limit", "4"])
    monkeypatch.setenv("TABLE", "t")
    monkeypatch.delenv("RESULT_PATH", raising=False)
    with pytest.raises(SystemExit) as ended:
        run(count)
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out) == {"table": "t", "rows": 4}


def test_a_run_id_becomes_a_safe_key() -> None:
    settings = Settings.from_environment({"RUN_ID": "manual__2026-11-21T10:00:00+00:00"})
    assert settings.run.key == "manual__2026-11-21T10-00-00-00-00"
    with pytest.raises(InvalidInput, match="--run-id"):
        _ = Settings.from_environment({}).run.key


def test_settings_keep_the_password_out_of_their_text() -> None:
    assert "secret" not in repr(
        Settings.from_environment({"DATABASE_URL": "postgresql://forest:secret@postgres/q"})
    )
