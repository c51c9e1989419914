from pathlib import Path

import pytest

from quintet.kind import tools
from quintet.paths import versions


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("kind v0.33.0 go1.26.1 linux/amd64", (0, 33)),
        ("v3.22.0+g1234567", (3, 22)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32)),
        ("unknown", None),
    ],
)
def test_a_version_is_read_from_what_a_program_prints(
    tmp_path: Path, answer: str, version: tuple[int, int] | None
) -> None:
    assert tools.version_of(_program(tmp_path / "tool", answer), []) == version


@pytest.mark.parametrize(
    ("version", "expected"),
    [((1, 32), False), ((1, 33), True), ((1, 35), True), ((1, 36), False), (None, False)],
)
def test_a_version_fits_between_its_limits(version: tuple[int, int] | None, expected: bool) -> None:
    assert tools.fits(version, [">=1.33", "<1.36"]) is expected


def test_the_first_program_on_path_that_fits_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder, answer in (("old", "Client Version: v1.20.0"), ("fit", "Client Version: v1.37.1")):
        (tmp_path / folder).mkdir()
        _program(tmp_path / folder / "kubectl", answer)
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:{tmp_path / 'fit'}:/bin")
    assert tools.on_path("kubectl") == tmp_path / "fit" / "kubectl"


def test_each_pin_accepts_itself() -> None:
    for name, pin in versions()["tools"].items():
        major, minor = (int(part) for part in pin["version"].removeprefix("v").split(".")[:2])
        assert tools.fits((major, minor), pin.get("accepts", [])), name


def _program(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    path.chmod(0o755)
    return path
