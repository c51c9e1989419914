"""The command line: which platform a command works on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from quintet.__main__ import main, parser
from quintet.local.processes import Running
from quintet.local.state import State


@pytest.mark.parametrize(
    "words", [["kind", "up"], ["kind", "down"], ["kind", "clean"], ["up"], ["down"], ["demo"]]
)
def test_these_work_on_this_machine(words: list[str]) -> None:
    assert "on_platform" not in parser().parse_args(words)


@pytest.mark.parametrize("words", [["run", "some_dag"], ["status"]])
def test_these_work_on_either(words: list[str]) -> None:
    arguments = parser().parse_args(["--on", "local", *words])
    assert "here" in arguments
    assert "on_platform" in arguments


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
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    for call in ("kind up", "kind down", "kind clean", "--on cluster status", "--on cluster run $(DAG)"):
        assert f"@$(QUINTET) {call}" in makefile
