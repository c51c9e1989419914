"""The command line: which platform a command works on, what its help says, what is refused."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from quintet.__main__ import command_line, main
from quintet.local import commands
from quintet.local.processes import Running
from quintet.local.state import State

REPOSITORY = Path(__file__).parents[3]


def every_command(group: Any = None, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the words of each command, and the command."""
    for name, command in (group or command_line()).commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, (*before, name))
        else:
            yield (*before, name), command


COMMANDS = dict(every_command())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_has_an_example_that_it_takes(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    (example,) = re.findall(r"Example: quintet (.+)", shown)
    called: list[dict[str, Any]] = []
    monkeypatch.setattr(COMMANDS[words], "callback", lambda **given: called.append(given))
    assert main(shlex.split(example)) == 0
    assert len(called) == 1


def test_the_list_of_commands_says_what_each_works_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for panel in ("On either platform", "Without a cluster", "On a cluster", "In the repository"):
        assert f"\n{panel}:\n" in shown
    assert "..." not in shown.partition("On either platform")[2]


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["statsu"], r"No such command 'statsu'\. Did you mean 'status', 'restart'\?"),
        (["kind", "cleen"], r"No such command 'cleen'\. Did you mean 'clean'\?"),
        (["run", "a", "--parm", "x=1"], r"No such option: --parm.*--param"),
        (["run", "a", "--param", "x"], r"Invalid value for --param: 'x' is not a NAME=VALUE\."),
        (["run", "a", "--date", "noon"], r"Invalid value for --date: 'noon' is not a time: write it as 2026"),
        (["run"], r"Missing argument 'DAG'\."),
        (["--on", "moon", "status"], r"Invalid value for '--on': .*'local', 'cluster'"),
        (["ui", "--port", "airflow=big"], r"Invalid value for --port: airflow=big: a port is a number"),
        (["rotate", "--wait", "long"], r"Invalid value for '--wait'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], refusal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert re.search(f"Error: {refusal}", said.err)
    assert said.out == ""


def test_a_run_has_the_parameters_and_the_time_that_are_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(commands, "run", lambda state, *given: asked.append(given))
    words = ["--param", "n=50", "--param", "name=a=b", "--param", "text=", "--date", "2026-01-31T12:00"]
    assert main(["--on", "local", "--state", str(tmp_path), "run", "forest", *words]) == 0
    ((dag, params, date),) = asked
    assert (dag, params) == ("forest", {"n": 50, "name": "a=b", "text": ""})
    assert date.isoformat() == "2026-01-31T12:00:00+00:00"


@pytest.mark.parametrize(
    ("words", "name", "handed_on"),
    [
        (["step", "--like", "r", "forest", "train", "--help", "--like"], "options", ["--help", "--like"]),
        (["airflow-cli", "dags", "list", "--help"], "words", ["dags", "list", "--help"]),
        (["airflow-cli", "--version"], "words", ["--version"]),
    ],
)
def test_what_another_program_is_told_reaches_it(
    words: list[str], name: str, handed_on: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[dict[str, Any]] = []
    monkeypatch.setattr(COMMANDS[words[0],], "callback", lambda **given: called.append(given))
    assert main(words) == 0
    assert called[0][name] == handed_on


def test_a_shell_completes_commands_and_options() -> None:
    def completed(typed: str) -> list[str]:
        asked = {
            "_QUINTET_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": f"{typed.count(' ')}",
        }
        program = [sys.executable, "-m", "quintet"]
        answer = subprocess.run(program, env={**os.environ, **asked}, stdout=subprocess.PIPE, check=True)
        return answer.stdout.decode().split()

    assert {"status", "run", "kind"} <= set(completed("quintet "))
    assert set(completed("quintet kind ")) == {"up", "down", "clean"}
    assert completed("quintet run etl_w") == ["etl_with_taskflow"]


def test_the_help_needs_nothing_of_what_the_commands_do() -> None:
    program = "import sys; from quintet.__main__ import main; main(['--help']); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.splitlines()[-1].split())
    assert "typer" in loaded
    assert not {"rich", "yaml", "urllib3", "kubernetes", "jsonschema", "boto3", "psutil"} & loaded


def test_libpq_is_told_nothing_by_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "of another")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    main(["--state", str(tmp_path / "state"), "status"])
    assert "PGSERVICE" not in os.environ


def test_without_a_local_platform_the_cluster_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert main(["--state", str(tmp_path / "state"), "status"]) == 1
    said = capsys.readouterr()
    assert said.out == "platform on the cluster\n"
    assert "No cluster to talk to" in said.err


def test_while_local_services_run_they_are_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = State(tmp_path / "state")
    state.note_running("s3", Running.of(os.getpid()))
    assert main(["--state", str(state.folder), "status"]) == 1
    said = capsys.readouterr()
    assert said.out == f"platform local, {state.folder}\n"
    assert "There is no local platform" in said.err


def test_a_process_that_has_ended_is_no_platform(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    child = subprocess.Popen(["true"])
    state.note_running("s3", Running(child.pid, psutil.Process(child.pid).create_time()))
    child.wait()
    assert not state.is_up()


def test_make_keeps_its_meaning() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for call in ("kind up", "kind down", "kind clean", "--on cluster status", "--on cluster run $(DAG)"):
        assert f"@$(QUINTET) {call}" in makefile
