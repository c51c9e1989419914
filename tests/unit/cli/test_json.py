"""`--json`: one document on stdout, whatever is printed for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from quintet.__main__ import command_line, main
from quintet.local import commands
from quintet.ops.run_all import Outcome, show
from quintet.progress import UserError

STEERING = "".join(map(chr, (*range(32), *range(0x7F, 0xA0), 0x202E, 0x2028, 0xDC9B))) + "ñ \\x7f"
"""All that must not reach a terminal raw."""
COMMANDS = ["status", "run", "run-all", "why", "predict", "models"]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_people_script_has_a_document(name: str) -> None:
    options = {option for each in command_line().commands[name].params for option in each.opts}
    assert "--json" in options


def test_the_document_is_all_that_stdout_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def work(*_: Any) -> dict[str, str]:
        print("a line for people")
        return {"text": STEERING}

    monkeypatch.setattr(commands, "status", work)
    assert main(["--on", "local", "--state", str(tmp_path), "status", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"text": STEERING}
    assert said.out.replace("\n", "").isprintable()
    assert said.err == f"platform local, {tmp_path}\na line for people\n"


@pytest.mark.parametrize("document", [None, {"state": "failed"}])
def test_a_failure_has_its_sentence_its_code_and_what_is_known(
    document: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def work(*_: Any) -> NoReturn:
        error = UserError("forest failed")
        error.document = document
        raise error

    monkeypatch.setattr(commands, "run", work)
    assert main(["--on", "local", "--state", str(tmp_path), "run", "forest", "--json"]) == 1
    said = capsys.readouterr()
    assert said.err.endswith("\nforest failed\n")
    assert (json.loads(said.out) if said.out else None) == document


def test_each_run_of_a_table_has_a_document_also_when_one_fails(capsys: pytest.CaptureFixture[str]) -> None:
    task = {"task_id": "load", "map_index": -1, "dag_run_id": "r1", "state": "success", "reason": None}
    task |= {"start_date": "2026-01-01T00:00:00", "end_date": "2026-01-01T00:00:02", "result": {"rows": 3}}
    failure = UserError("no answer")
    with pytest.raises(UserError, match="crime failed") as raised:
        show([Outcome("forest", "success", [task]), Outcome("crime", "failed", [], failure)])
    ended = {"task": "load", "state": "success", "seconds": 2.0, "result": {"rows": 3}, "reason": None}
    assert raised.value.document == [
        {"dag": "forest", "run": "r1", "state": "success", "tasks": [ended]},
        {"dag": "crime", "run": None, "state": "failed", "tasks": []},
    ]
    assert "crime" in capsys.readouterr().out
