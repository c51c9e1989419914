"""Texts of sources, files and pods that try to steer the terminal of whoever reads them."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from quintet import __main__ as command_line
from quintet.progress import UserError, stage
from quintet.terminal import visible
from stepkit.log import JsonLines
from stepkit.settings import Run
from tests.screen import Screen, await_picture

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
    "a link of the display": "[link=https://example.com]\x1b",
}
RAW = {character for attack in ATTACKS.values() for character in attack if not character.isprintable()}
COMMANDS = command_line.command_line().commands
ARGUMENTS = {
    "airflow-cli": ["dags"],
    "kind": ["down"],
    "land": ["a"],
    "new": ["a"],
    "push": ["a"],
    "run": ["a"],
    "step": ["a", "b"],
    "tools": ["a"],
}
"""What a command has to be told."""


@pytest.fixture(params=ATTACKS.values(), ids=ATTACKS)
def attack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[..., None]], list[str]]:
    """Puts a function in place of a command's own, and returns what to type for it."""

    def replace(name: str, work: Callable[..., None]) -> list[str]:
        words = [name, *ARGUMENTS.get(name, [])]
        command = COMMANDS[name]
        if name == "kind":
            command = command.commands[words[1]]
        monkeypatch.setattr(command, "callback", work)
        return words

    return replace


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_hands_a_control_character_to_the_terminal(
    command: str, capsys: pytest.CaptureFixture[str], replaced: Callable[..., list[str]]
) -> None:
    everything = " ".join(ATTACKS.values())

    def work(**_: Any) -> NoReturn:
        print(everything)
        sys.stdout.write(f"{everything}\n")
        sys.stdout.writelines([everything])
        print(everything, file=sys.stderr)
        raise UserError(everything)

    assert command_line.main(replaced(command, work)) == 1
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


@pytest.mark.parametrize("kind", [Screen, io.StringIO], ids=["a terminal", "a log"])
def test_the_progress_of_a_command_shows_no_control_character_of_what_it_runs(
    attack: str,
    kind: type[io.StringIO],
    replaced: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    screen = kind()
    monkeypatch.setattr(sys, "stderr", screen)
    line = attack.replace("\udc9b", "\x9b")

    def work(**_: Any) -> None:
        with stage("build", "of a pod") as current:
            current.note(line)
            if isinstance(screen, Screen):
                await_picture(screen, visible(line))
            current.outcome = attack

    assert command_line.main(replaced("logs", work)) == 0
    # The sequences that move a line, which it needs, are the only ones.
    own = re.compile(r"\x1b\[(\?25[lh]|2K|1A|[0-9;]*m)|\r")
    shown = screen.getvalue()
    assert bool(own.search(shown)) is screen.isatty()
    left = own.sub("", shown)
    assert not RAW & set(left)
    assert left.count(visible(line)) >= 1
    assert left.count(visible(attack)) >= 1


def test_a_log_line_of_a_step_holds_no_control_character_and_the_same_text(attack: str) -> None:
    record = logging.LogRecord("excel", logging.INFO, "", 1, "%s is refused", (attack,), None)
    line = JsonLines(Run(dag_id=attack)).format(record)
    assert json.loads(line)["message"] == f"{attack} is refused"
    assert json.loads(line)["dag_id"] == attack
    assert not RAW & set(line)


def test_what_ends_a_command_as_a_bug_is_escaped_too(
    capsys: pytest.CaptureFixture[str], replaced: Callable[..., list[str]]
) -> None:
    def work(**_: Any) -> None:
        raise ValueError("\x1b[2J")

    with pytest.raises(ValueError, match="2J") as bug:
        command_line.main(replaced("logs", work))
    sys.excepthook(bug.type, bug.value, bug.tb)
    shown = capsys.readouterr().err
    assert r"ValueError: \x1b[2J" in shown
    assert "\x1b" not in shown


def test_what_is_typed_is_escaped_where_it_is_refused(
    attack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main([f"status{attack}"]) == 2
    assert command_line.main(["run", "a", "--date", attack]) == 2
    assert not RAW & set("".join(capsys.readouterr()))
