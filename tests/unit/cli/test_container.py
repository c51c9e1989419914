from pathlib import Path

import pytest

from quintet.kind.container import Container
from quintet.progress import Stage

FAKE_DOCKER = """\
#!/bin/sh
echo "$*" >> "{calls}"
case "$*" in
  "container inspect"*gone) exit 1 ;;
  "container inspect"*) echo exited ;;
  "inspect --format"*) echo '{{"bridge":{{}}}}' ;;
  "cp "*:/kind/there*) ;;
  "cp "*) exit 1 ;;
  "exec "*"systemctl show"*) [ -e "{calls}.booted" ] || {{ touch "{calls}.booted"; exit 1; }} ;;
  "exec "*) cat ;;
esac
"""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(FAKE_DOCKER.format(calls=docker.with_name("calls")))
    docker.chmod(0o755)
    return tmp_path / "bin" / "calls"


def node(calls: Path, name: str = "node") -> Container:
    return Container(calls.with_name("docker"), name)


def test_a_container_that_is_not_there_has_no_state(calls: Path) -> None:
    assert node(calls).state == "exited"
    assert node(calls, "gone").state == ""


def test_only_a_stopped_container_is_started_and_only_a_running_one_stopped(calls: Path) -> None:
    node(calls).stop(Stage("down"))
    assert "stop" not in calls.read_text()
    node(calls).start(Stage("up"))
    assert calls.read_text().endswith("restart --time 10 node\n")


def test_frozen_processes_are_let_go(calls: Path, tmp_path: Path) -> None:
    states = [tmp_path / "docker" / name / "pod" / "freezer.state" for name in ("exited", "other")]
    for state in states:
        state.parent.mkdir(parents=True)
        state.write_text("FROZEN\n")
    node(calls).thaw(tmp_path)
    assert [state.read_text() for state in states] == ["THAWED", "FROZEN\n"]


def test_a_file_is_looked_for_without_running_anything_inside(calls: Path) -> None:
    assert node(calls).has("/kind/there")
    assert not node(calls).has("/kind/elsewhere")
    assert "exec" not in calls.read_text()


def test_a_network_is_joined_once(calls: Path) -> None:
    node(calls).join("bridge")
    assert "network connect" not in calls.read_text()
    node(calls).join("kind")
    assert "network connect kind node" in calls.read_text()


def test_text_is_given_to_a_command_inside(calls: Path) -> None:
    assert node(calls).run("cat", stdin="hosts") == "hosts"
    node(calls).write("/etc/containerd/certs.d/hosts.toml", "hosts")
    assert calls.read_text().endswith("/etc/containerd/certs.d/hosts.toml\n")


def test_a_unit_waits_for_a_systemd_that_is_still_starting(calls: Path, tmp_path: Path) -> None:
    unit = tmp_path / "some.service"
    unit.write_text("[Unit]")
    node(calls).install_unit(unit)
    asked = [call.partition(" node ")[2] for call in calls.read_text().splitlines()]
    assert asked[-3:] == [
        "systemctl show --property=Version",
        "systemctl show --property=Version",
        "systemctl enable --now some.service",
    ]
