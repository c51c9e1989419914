"""`quintet why` without a cluster: what real steps leave in the state folder, and the cause named from it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forest.capture import parse_capture
from forest.load import read_csv
from quintet.diagnosis import Kind, cause_of, explanation
from quintet.local.evidence import LocalRuns
from quintet.progress import UserError
from stepkit import postgres, tracking
from stepkit.errors import NothingToDo
from stepkit.http import Client
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import execute

CLOSED = "127.0.0.1:9"
DAG, RUN = "forest_cover_data_pipeline", "manual__2026-01-01T00:00:00+00:00"
KEY = "manual__2026-01-01T00-00-00-00-00"
ROW = ["2596", "51", "3", "258", "0", "510", "221", "232", "148", "6279", "Rawah", "C7745", "0"]

Attempt = Callable[..., Path]


@pytest.fixture
def attempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Attempt:
    """Runs a function as a step, as a local run does, and gives the folder of the try."""

    def run(
        step: Callable[[Settings], object],
        *,
        dag: str = DAG,
        task: str = "extract",
        number: int = 1,
        environment: dict[str, str] | None = None,
    ) -> Path:
        folder = tmp_path / dag / KEY / task / f"try-{number}"
        folder.mkdir(parents=True)
        (folder / "command.json").write_text(json.dumps({"argv": [], "env": {"RUN_ID": RUN}}))
        began = datetime.now(UTC)
        result = folder / "result.json"
        code = execute(step, [], {"RESULT_PATH": str(result), **(environment or {})})
        written = capsys.readouterr()
        (folder / "log.jsonl").write_text(written.err + written.out)
        ended(folder, exit_code=code, started=began)
        return folder

    return run


def ended(folder: Path, *, exit_code: int, started: datetime, ending: str | None = None) -> None:
    """Leave what the runner leaves when a step's process has ended."""
    end = {
        "exit_code": exit_code,
        "signal": ending,
        "started": started.isoformat(),
        "ended": (started + timedelta(seconds=1.5)).isoformat(),
    }
    (folder / "end.json").write_text(json.dumps(end))


def started(state: Path, task: str = "extract") -> Path:
    """The folder of a first try."""
    folder = state / DAG / KEY / task / "try-1"
    folder.mkdir(parents=True)
    return folder


def script(code: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """A Python process that runs to its end, however it ends."""
    return subprocess.run([sys.executable, "-c", code], check=False, **how)


def named(folder: Path) -> Any:
    """The cause of the first task of the latest run."""
    runs = LocalRuns(folder)
    return cause_of(runs.evidence(runs.latest("")[0])[0])


def source_down(settings: Settings) -> None:
    Client(sleep=lambda _: None).get(f"http://{CLOSED}/data")


def s3_down(settings: Settings) -> None:
    ObjectStore().exists("s3://data/forest/x")


def mlflow_down(settings: Settings) -> None:
    with tracking.run(settings, "train-svc"):
        pass


def postgres_down(settings: Settings) -> None:
    with postgres.transaction(settings):
        pass


def disk_full(settings: Settings) -> None:
    with Path("/dev/full").open("w") as file:
        file.write("a row")


def code_exception(settings: Settings) -> None:
    print({"batch": 1}["rows"])  # type: ignore[index]


def out_of_memory(settings: Settings) -> None:
    raise MemoryError


def nothing_to_do(settings: Settings) -> None:
    raise NothingToDo("http://api/data sent no rows")


def answer(body: bytes) -> Callable[[Settings], None]:
    def step(settings: Settings) -> None:
        parse_capture(body, "http://api/data")

    return step


def capture(*rows: list[str]) -> bytes:
    return json.dumps({"group_number": 3, "batch_number": 1, "data": rows}).encode()


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (source_down, Kind.SOURCE_DOWN),
        (s3_down, Kind.S3_DOWN),
        (mlflow_down, Kind.MLFLOW_DOWN),
        (postgres_down, Kind.POSTGRES_DOWN),
        (disk_full, Kind.DISK_FULL),
        (code_exception, Kind.CODE_EXCEPTION),
        (out_of_memory, Kind.OUT_OF_MEMORY),
        (answer(b""), Kind.EMPTY_INPUT),
        (answer(capture(ROW, *[["high", *ROW[1:]]] * 2)), Kind.FIELDS_CHANGED),
        (answer(capture(ROW[1:])), Kind.FIELDS_CHANGED),
        (answer(b'{"data": {}}'), Kind.FIELDS_CHANGED),
        (answer(b'{"data": ['), Kind.UNREADABLE_INPUT),
        (answer(b"<html>"), Kind.UNREADABLE_INPUT),
    ],
)
def test_cause_of_a_failed_step_is_named(
    attempt: Attempt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[Settings], object],
    kind: Kind,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-key")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{CLOSED}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    attempt(
        step,
        environment={
            "RUN_ID": RUN,
            "DATABASE_URL": f"postgresql://forest@{CLOSED}/quintet",
            "MLFLOW_TRACKING_URI": f"http://{CLOSED}",
        },
    )
    cause = named(tmp_path)
    assert (cause.kind, cause.certain) == (kind, True)


def explain(folder: Path, *words: str) -> None:
    explanation.explain(LocalRuns(folder), words)


def test_a_refused_row_is_told_with_file_row_and_column(
    attempt: Attempt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt(answer(capture(ROW, *[["high", *ROW[1:]]] * 2)))
    explain(tmp_path)
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == [DAG, f"{RUN}: failed"]
    assert ["task", "extract, try 1 of 1, failed, after 1.5 s"] in lines
    assert ["file", "http://api/data"] in lines
    assert ["code", "INVALID_ROW"] in lines
    assert ["row", "2"] in lines
    assert ["column", "Elevation"] in lines
    assert lines.index(["column", "Elevation"]) < next(
        n for n, line in enumerate(lines) if line[0] == "cause"
    )


def test_a_bug_is_told_with_its_place(
    attempt: Attempt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt(code_exception)
    explain(tmp_path)
    said = capsys.readouterr().out
    assert "KeyError: 'rows'" in said
    assert (
        f"{Path(__file__).name}, line {code_exception.__code__.co_firstlineno + 1}, in code_exception" in said
    )


def test_a_file_without_a_byte_is_empty_input(attempt: Attempt, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.touch()
    attempt(lambda settings: list(read_csv(file)))
    assert named(tmp_path).kind == Kind.EMPTY_INPUT


@pytest.mark.parametrize(
    ("exit_code", "ending", "kind", "certain"),
    [
        (137, "SIGKILL", Kind.OUT_OF_MEMORY, False),
        (143, None, Kind.STOPPED, True),
        (143, "SIGTERM", Kind.STOPPED, True),
    ],
)
def test_a_killed_process_is_told_by_its_signal(
    tmp_path: Path, exit_code: int, ending: str | None, kind: Kind, certain: bool
) -> None:
    folder = started(tmp_path, "train-0")
    ended(folder, exit_code=exit_code, started=datetime.now(UTC), ending=ending)
    cause = named(tmp_path)
    assert (cause.kind, cause.certain) == (kind, certain)
    assert [task.task for task in LocalRuns(tmp_path).evidence(LocalRuns(tmp_path).latest("")[0])] == [
        "train[0]"
    ]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_too_full_for_the_steps_own_words_is_likely(tmp_path: Path, unbuffered: str) -> None:
    folder = started(tmp_path)
    with Path("/dev/full").open("wb") as full:
        end = script("print('a row')", stdout=full, stderr=full, env={"PYTHONUNBUFFERED": unbuffered})
    ended(folder, exit_code=end.returncode, started=datetime.now(UTC))
    cause = named(tmp_path)
    assert (cause.kind, cause.certain) == (Kind.DISK_FULL, False)


def test_an_error_before_the_steps_own_logging_is_a_bug_with_its_place(tmp_path: Path) -> None:
    folder = started(tmp_path)
    with (folder / "log.jsonl").open("wb") as log:
        end = script("import no_such_module", stdout=log, stderr=log)
    ended(folder, exit_code=end.returncode, started=datetime.now(UTC))
    cause = named(tmp_path)
    assert cause.kind == Kind.CODE_EXCEPTION
    assert "<string>, line 1, in <module>: ModuleNotFoundError" in cause.sentence


def test_only_the_last_try_counts(attempt: Attempt, tmp_path: Path) -> None:
    attempt(code_exception)
    attempt(nothing_to_do, number=2)
    with pytest.raises(UserError, match="No run has failed or stands still"):
        explain(tmp_path)


def test_a_skip_that_is_asked_for_says_why(
    attempt: Attempt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt(nothing_to_do)
    explain(tmp_path, RUN)
    assert "skipped. There was nothing to do: http://api/data sent no rows" in capsys.readouterr().out


def test_the_latest_failed_run_is_taken_and_a_dag_may_be_named(
    attempt: Attempt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt(disk_full, dag="first")
    attempt(code_exception, dag="second")
    for words, dag in (((), "second"), (("first",), "first"), (("first", RUN), "first")):
        explain(tmp_path, *words)
        assert capsys.readouterr().out.startswith(f"{dag} {RUN}: failed")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((RUN,), "first and second each have a run manual__.*: name the DAG before it"),
        (("nothing",), "There is no DAG and no run nothing"),
        (("first", "nothing"), "DAG first has no run nothing"),
        (("first", RUN, "load"), "takes a DAG and a run at most"),
    ],
)
def test_a_run_that_cannot_be_told_is_refused_in_a_sentence(
    attempt: Attempt, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    for dag in ("first", "second"):
        attempt(code_exception, dag=dag)
    with pytest.raises(UserError, match=sentence):
        explain(tmp_path, *words)


@pytest.mark.parametrize("value", ["--missing", "A_URI is not set", "S3 has no room", "there is no file"])
def test_a_row_is_told_as_one_whatever_its_value_says(attempt: Attempt, tmp_path: Path, value: str) -> None:
    attempt(answer(capture(ROW, ROW, ROW, *[[value, *ROW[1:]]] * 2)))
    cause = named(tmp_path)
    assert cause.kind == Kind.FIELDS_CHANGED
    assert "http://api/data, row 4, column Elevation" in cause.sentence


def test_refusals_of_options_are_no_refusals_of_data(attempt: Attempt, tmp_path: Path) -> None:
    def export(settings: Settings, *, row: int) -> None:
        raise AssertionError

    attempt(export)
    assert named(tmp_path).kind == Kind.WRONG_SETTING
