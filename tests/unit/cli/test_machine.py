from pathlib import Path

import pytest

from quintet.kind import machine
from quintet.kind.machine import ImageSource, MachineError
from quintet.local.processes import free_ports
from tests import scripted_http


@pytest.mark.parametrize(("mask", "expected"), [("000001fffeffffff", False), ("000001ffffffffff", True)])
def test_the_bounding_set_tells_whether_limits_can_be_raised(
    tmp_path: Path, mask: str, expected: bool
) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapBnd:\t{mask}\n")
    assert machine.may_raise_limits(status) is expected


@pytest.mark.parametrize(("program", "kept"), [("dockerd\n", True), ("bash\n", False), (None, False)])
def test_a_pid_file_is_forgotten_unless_the_engine_runs(
    tmp_path: Path, program: str | None, kept: bool
) -> None:
    pidfile, process = tmp_path / "docker.pid", tmp_path / "proc" / "42"
    pidfile.write_text("42\n")
    if program:
        process.mkdir(parents=True)
        (process / "comm").write_text(program)
    machine.forget_stale_pid(pidfile, tmp_path / "proc")
    assert pidfile.exists() is kept


@pytest.mark.parametrize(
    ("status", "source", "why"),
    [
        (200, ImageSource.REGISTRY, ""),
        (401, ImageSource.REGISTRY, ""),
        (403, ImageSource.AIRGAP, "HTTP 403"),
        (500, ImageSource.AIRGAP, "HTTP 500"),
    ],
)
def test_the_answer_of_docker_hub_decides(
    monkeypatch: pytest.MonkeyPatch, status: int, source: ImageSource, why: str
) -> None:
    monkeypatch.delenv("QUINTET_IMAGES", raising=False)
    with scripted_http.serving(scripted_http.response(status)) as hub:
        monkeypatch.setattr(machine, "REGISTRY_PROBE", hub.url)
        decided, reason = machine.image_source()
    assert decided is source
    assert why in reason


def test_without_an_answer_images_are_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUINTET_IMAGES", raising=False)
    (port,) = free_ports(1)
    monkeypatch.setattr(machine, "REGISTRY_PROBE", f"http://127.0.0.1:{port}/v2/")
    decided, reason = machine.image_source()
    assert decided is ImageSource.AIRGAP
    assert "ConnectionError" in reason


def test_the_user_may_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_IMAGES", "registry")
    assert machine.image_source()[0] is ImageSource.REGISTRY
    monkeypatch.setenv("QUINTET_IMAGES", "internet")
    with pytest.raises(MachineError, match="'internet': set it to registry or airgap"):
        machine.image_source()


@pytest.mark.parametrize(
    ("version", "has_buildx", "fits"),
    [("20.10.24+dfsg1", False, True), ("28.2.2", False, False), ("28.2.2", True, True)],
)
def test_a_docker_cli_must_be_able_to_use_buildkit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, has_buildx: bool, fits: bool
) -> None:
    cli = tmp_path / "docker"
    answer = f"--version) echo Docker version {version}, build x ;; *) exit {int(not has_buildx)} ;;"
    cli.write_text(f"#!/bin/sh\ncase $1 in {answer} esac\n")
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.buildkit_cli() == (cli if fits else None)
