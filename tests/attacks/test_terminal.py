"""Texts of sources, files and pods that try to steer the terminal of whoever reads them."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from quintet import __main__ as command_line
from quintet.ops.kube import Kube
from quintet.progress import UserError, stage
from stepkit.log import JsonLines
from stepkit.settings import Run

ATTACKS = {
    "clear the screen": "\x1b[2J",
    "write the clipboard": "\x1b]52;c;Y3VybCBldmls\x07",
    "an 8-bit control sequence": "\x9b2J",
    "overwrite the line": "failed\rsucceeded",
    "rub out": "failed\b\b\b\b\b\bdone",
    "delete": "\x7f",
    "turn the reading direction": "\u202eelif.exe\u2066",
    "a line of Unicode": "one\u2028two",
    "half a character": "\udc9b",
}
RAW = {character for attack in ATTACKS.values() for character in attack if not character.isprintable()}
COMMANDS = [*command_line.ON_PLATFORM, *command_line.IN_EITHER]


@pytest.fixture(params=ATTACKS.values(), ids=ATTACKS)
def attack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def words(command: str) -> list[str]:
    return {"run": ["run", "a"], "land": ["land", "a"], "rotate": ["rotate", "a"]}.get(command, [command])


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_hands_a_control_character_to_the_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = " ".join(ATTACKS.values())

    def work(*_: Any) -> NoReturn:
        print(everything)
        sys.stdout.write(f"{everything}\n")
        sys.stdout.writelines([everything])
        print(everything, file=sys.stderr)
        raise UserError(everything)

    monkeypatch.setattr(Kube, "of", lambda *_: None)
    for table in (command_line.ON_PLATFORM, command_line.IN_EITHER):
        if command in table:
            given: Any = tuple(part if isinstance(part, str) else work for part in table[command])
            monkeypatch.setitem(table, command, (*given[:-2], table[command][-2], given[-1]))
    assert (
        command_line.main(
            ["--on", "cluster", *words(command)] if command in command_line.IN_EITHER else words(command)
        )
        == 1
    )
    shown = capsys.readouterr()
    assert shown.out.count(r"\x1b[2J") == 3
    assert shown.err.count(r"\x1b]52;c;Y3VybCBldmls\x07") == 2
    assert r"failed\rsucceeded" in shown.out
    assert not RAW & set(shown.out + shown.err)


def test_why_shows_what_a_step_and_its_files_say_with_visible_escapes(
    attack: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "excel" / "r1" / "parse" / "try-1"
    folder.mkdir(parents=True)
    ended = {"exit_code": 2, "signal": None, "started": "2026-01-01T00:00:00", "ended": "2026-01-01T00:00:01"}
    said = {
        "code": "INVALID_ROW",
        "message": f"column {attack}",
        "exit_code": 2,
        "file": attack,
        "column": attack,
    }
    (folder / "end.json").write_text(json.dumps(ended))
    (folder / "result.json").write_text(json.dumps(said))
    (folder / "command.json").write_text(json.dumps({"argv": [], "env": {"RUN_ID": "r1"}}))
    (folder / "log.jsonl").write_text(json.dumps({"level": "ERROR", "message": attack}))
    assert command_line.main(["--on", "local", "--state", str(tmp_path), "why"]) == 0
    shown = capsys.readouterr().out
    assert "INVALID_ROW" in shown
    assert not RAW & set(shown)


@pytest.mark.parametrize("live", [True, False])
def test_the_progress_of_a_command_shows_no_control_character_of_what_it_runs(
    attack: str,
    live: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(Kube, "of", lambda *_: None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: live, raising=False)

    def work(*_: Any) -> None:
        with stage("build", "of a pod") as current:
            current.note(attack.replace("\udc9b", "\x9b"))
            current.outcome = attack

    entry = command_line.ON_PLATFORM["logs"]
    monkeypatch.setitem(command_line.ON_PLATFORM, "logs", (work, *entry[1:]))
    assert command_line.main(["logs"]) == 0
    shown = capsys.readouterr().err
    # Its own sequence, which it needs, is the only one.
    assert shown.count("\r\033[K") == (3 if live else 0)
    assert not RAW & set(shown.replace("\r\033[K", ""))
    assert shown.count("\\") >= 2


def test_a_log_line_of_a_step_holds_no_control_character_and_the_same_text(attack: str) -> None:
    record = logging.LogRecord("excel", logging.INFO, "", 1, "%s is refused", (attack,), None)
    line = JsonLines(Run(dag_id=attack)).format(record)
    assert json.loads(line)["message"] == f"{attack} is refused"
    assert json.loads(line)["dag_id"] == attack
    assert not RAW & set(line)


def test_what_ends_a_command_as_a_bug_is_escaped_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any) -> None:
        raise ValueError("\x1b[2J")

    monkeypatch.setattr(Kube, "of", lambda *_: None)
    entry = command_line.ON_PLATFORM["logs"]
    monkeypatch.setitem(command_line.ON_PLATFORM, "logs", (work, *entry[1:]))
    with pytest.raises(ValueError, match="2J") as bug:
        command_line.main(["logs"])
    sys.excepthook(bug.type, bug.value, bug.tb)
    shown = capsys.readouterr().err
    assert r"ValueError: \x1b[2J" in shown
    assert "\x1b" not in shown


def test_the_options_of_every_command_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of all commands above calls each with these words."""
    for command in COMMANDS:
        assert isinstance(command_line.parser().parse_args(words(command)), argparse.Namespace)
