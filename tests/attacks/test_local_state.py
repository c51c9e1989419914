"""What other users of a machine see of a local platform, and links that they could lay in its way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from quintet import __main__ as command_line
from quintet.local.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def modes(folder: Path) -> set[tuple[str, int]]:
    """Returns the kinds and the rights of all that is in a folder, with the folder."""
    found = [folder, *folder.rglob("*")]
    return {("folder" if path.is_dir() else "file", stat.S_IMODE(path.lstat().st_mode)) for path in found}


def test_the_runs_of_a_state_made_by_an_earlier_version_are_closed_to_others(
    state: State, tmp_path: Path
) -> None:
    attempt = state.path() / "runs" / "dag" / "r1" / "load" / "try-1"
    attempt.mkdir(parents=True)
    state.write_private("credentials.json", {})
    for name in ("command.json", "log.jsonl", "result.json", "end.json"):
        (attempt / name).write_text("{}")
    for path in [state.runs, *state.runs.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    (attempt / "link").symlink_to(outside)
    with state.alone():
        (attempt / "link").unlink()
        assert modes(state.runs) == {("folder", 0o700), ("file", 0o600)}
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_runs_in_a_folder_of_something_else_stay_as_they_are(state: State) -> None:
    (state.path() / "runs").mkdir()
    state.runs.chmod(0o755)
    with state.alone():
        assert stat.S_IMODE(state.runs.stat().st_mode) == 0o755


def test_a_new_state_lets_others_read_nothing(state: State) -> None:
    former = os.umask(0)
    try:
        with state.alone():
            state.write_private("ports.json", {})
            state.log("s3").touch()
            assert stat.S_IMODE((state.folder / "lock").stat().st_mode) == 0o600
    finally:
        os.umask(former)
    assert stat.S_IMODE(state.folder.stat().st_mode) & 0o066 == 0


def test_a_private_file_takes_the_place_of_a_link_and_leaves_its_target(state: State, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    for name in ("credentials.json", "credentials.new"):
        (state.path() / name).symlink_to(outside)
    state.write_private("credentials.json", {"a": {}})
    assert outside.read_text() == "x"
    assert not (state.folder / "credentials.json").is_symlink()
    assert stat.S_IMODE((state.folder / "credentials.json").stat().st_mode) == 0o600


def land(state: State, file: Path) -> int:
    return command_line.main(["--on", "local", "--state", str(state.folder), "land", str(file)])


def test_a_file_with_the_longest_name_of_all_lands(state: State, tmp_path: Path) -> None:
    file = tmp_path / ("x" * 250 + ".xlsx")
    file.write_bytes(b"x")
    assert land(state, file) == 0
    assert [path.name for path in state.path("landing_zone").iterdir()] == [file.name]


def test_a_file_whose_name_is_no_text_is_refused_before_it_lands(
    state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.xlsx"))
    file.write_bytes(b"x")
    assert land(state, file) == 1
    assert r"\udcff.xlsx: its name is not UTF-8: rename it" in capsys.readouterr().err
    assert list(state.path("landing_zone").iterdir()) == []
