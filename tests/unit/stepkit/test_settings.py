"""What a step reads of its environment, and what its log lines say."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from stepkit import log
from stepkit.errors import Code, InvalidInput
from stepkit.settings import Run, Settings

ENVIRONMENT = {
    "DAG_ID": "a dag",
    "RUN_ID": "a run",
    "TASK_ID": "a task",
    "TRY_NUMBER": "3",
    "DATABASE_URL": "postgresql://somewhere",
    "MLFLOW_TRACKING_URI": "http://mlflow",
    "MLFLOW_EXPERIMENT_NAME": "an experiment",
    "MLFLOW_MODEL_NAME": "a model",
    "MLFLOW_ENABLE_MODEL_REGISTRY": "False",
    "IMAGE_REFERENCE": "image@sha256:1",
    "GIT_REVISION": "abc",
}


def test_every_setting_has_its_variable() -> None:
    assert Settings.from_environment(ENVIRONMENT) == Settings(
        run=Run("a dag", "a run", "a task", 3),
        database_url="postgresql://somewhere",
        tracking_uri="http://mlflow",
        experiment_name="an experiment",
        model_name="a model",
        registry_enabled=False,
        image_reference="image@sha256:1",
        git_revision="abc",
    )


@pytest.mark.parametrize(
    ("run_id", "key"),
    [
        ("manual__2026-11-21T10:00:00.123456+00:00_aB3", "manual__2026-11-21T10-00-00.123456-00-00_aB3"),
        ("by-hand-1795254709", "by-hand-1795254709"),
        ("july+1", "july-1-ef8b9545"),
        ("..", "..-5ec1f7e7"),
    ],
)
def test_the_key_of_a_run(run_id: str, key: str) -> None:
    assert Run(run_id=run_id).key == key


def test_runs_whose_ids_differ_in_a_sign_alone_have_keys_of_their_own() -> None:
    ids = ["july-1", "july+1", "july:1", "july 1", "manual__2026-11-21T10:00:00+05:00"]
    ids += ["manual__2026-11-21T10:00:00-05:00", ".", ".."]
    keys = {Run(run_id=run_id).key for run_id in ids}
    assert len(keys) == len(ids)
    assert not keys & {".", ".."}


@pytest.mark.parametrize("environment", [{}, dict.fromkeys(ENVIRONMENT, "")])
def test_what_is_not_set_is_as_its_default(environment: dict[str, str]) -> None:
    found = Settings.from_environment(environment)
    assert found == Settings(run=Run("", "", "", 1))
    assert (found.database_url, found.experiment_name, found.model_name, found.registry_enabled) == (
        "",
        "forest-cover-experiment",
        "forest",
        True,
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TRY_NUMBER", "one", "TRY_NUMBER is 'one': it must be a whole number"),
        ("TRY_NUMBER", "1.5", "TRY_NUMBER is '1.5': it must be a whole number"),
        (
            "MLFLOW_ENABLE_MODEL_REGISTRY",
            "YES",
            "MLFLOW_ENABLE_MODEL_REGISTRY is 'yes': it must be true or false",
        ),
    ],
)
def test_a_setting_that_says_nothing_is_refused(name: str, value: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.from_environment({name: value})
    assert (str(refused.value), refused.value.code) == (sentence, Code.INVALID_SETTING)


@pytest.mark.parametrize("value", ["true", "TRUE", "True"])
def test_the_registry_may_be_asked_for_in_any_case(value: str) -> None:
    assert Settings.from_environment({"MLFLOW_ENABLE_MODEL_REGISTRY": value}).registry_enabled


def record(message: str = "é %d", name: str = "stepkit.s3", failed: bool = False) -> logging.LogRecord:
    error = ZeroDivisionError("by nothing")
    known = (type(error), error, None) if failed else None
    made = logging.LogRecord(name, logging.WARNING, "/a/train.py", 7, message, (3,), known)
    made.created = 1_764_547_200.9876
    return made


def test_a_line_says_when_where_and_for_which_run() -> None:
    lines = log.JsonLines(Run("a dag", "a run", "a task"))
    text = lines.format(record())
    assert json.loads(text) == {
        "time": "2025-12-01T00:00:00.987+00:00",
        "level": "WARNING",
        "logger": "stepkit.s3",
        "message": "é 3",
        "dag_id": "a dag",
        "run_id": "a run",
        "task_id": "a task",
    }
    assert '"é 3"' in text
    assert json.loads(lines.format(record(name="__main__")))["logger"] == "train"
    assert json.loads(lines.format(record(failed=True)))["exception"] == "ZeroDivisionError: by nothing"


@pytest.fixture
def loggers() -> Iterator[dict[str, logging.Logger]]:
    """The root and those that talk much, which are afterwards as they were."""
    found = {name: logging.getLogger(name) for name in ("", "botocore", "boto3", "urllib3", "s3transfer")}
    before = {name: (each.level, each.handlers[:]) for name, each in found.items()}
    yield found
    for name, (level, handlers) in before.items():
        found[name].setLevel(level)
        found[name].handlers[:] = handlers


def test_every_log_goes_to_standard_error(
    loggers: dict[str, logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    for each in loggers.values():
        each.setLevel(logging.DEBUG)
    log.start(Run(run_id="before"))
    log.start(Run(run_id="a run"))
    assert {name: each.level for name, each in loggers.items()} == {
        "": logging.INFO,
        **dict.fromkeys(("botocore", "boto3", "urllib3", "s3transfer"), logging.WARNING),
    }
    (handler,) = loggers[""].handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
    logging.getLogger("some").info("told")
    logging.getLogger("some").debug("kept")
    (line,) = capsys.readouterr().err.splitlines()
    assert (json.loads(line)["run_id"], json.loads(line)["message"]) == ("a run", "told")
