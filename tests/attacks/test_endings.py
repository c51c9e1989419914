"""A source's text in an ending: whatever it holds, the ending gets out, with its code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stepkit.errors import DependencyUnavailable, InvalidInput
from stepkit.settings import Settings
from stepkit.step import MAX_RESULT_BYTES, execute

REPOSITORY = Path(__file__).resolve().parents[2]
NASTY = [
    ("half \ud800 a character", r"half \ud800 a character"),
    ("\udfff", r"\udfff"),
    ("NUL \x00, ESC \x1b[2J and C1 \x9b", r"NUL \x00, ESC \x1b[2J and C1 \x9b"),
]


@pytest.mark.parametrize("ending", [InvalidInput, DependencyUnavailable])
@pytest.mark.parametrize(("said", "told"), NASTY)
def test_an_ending_gets_out_whatever_a_source_said(
    ending: type[Any], said: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(settings: Settings) -> None:
        """Refuses."""
        raise ending(said, file=said, column=said, service=said)

    path = tmp_path / "result"
    code = execute(refuse, [], {"RESULT_PATH": str(path), "RUN_ID": "r"})
    written = path.read_bytes()
    found = json.loads(written)
    assert code == ending.exit_code
    assert [found[name] for name in ("message", "file", "column", "service")] == [told] * 4
    assert capsys.readouterr().out.encode() == written + b"\n"


def test_a_bug_with_half_a_character_says_that_it_is_one(tmp_path: Path) -> None:
    def fail(settings: Settings) -> None:
        """Fails."""
        raise KeyError("\ud800")

    path = tmp_path / "result"
    assert execute(fail, [], {"RESULT_PATH": str(path), "RUN_ID": "r"}) == 1
    assert json.loads(path.read_bytes())["code"] == "BUG"


def test_a_long_text_is_cut_to_an_ending_of_its_size(tmp_path: Path) -> None:
    def refuse(settings: Settings) -> None:
        """Refuses."""
        raise InvalidInput("\ud800" * 100_000)

    path = tmp_path / "result"
    assert execute(refuse, [], {"RESULT_PATH": str(path), "RUN_ID": "r"}) == 2
    assert len(path.read_bytes()) <= MAX_RESULT_BYTES
    assert json.loads(path.read_bytes())["message"].startswith(r"\ud800")


def test_a_process_whose_output_takes_only_ascii_ends_with_the_same_code() -> None:
    program = (
        "from stepkit.errors import InvalidInput\n"
        "from stepkit.step import run\n"
        "def step(settings):\n"
        "    'Refuses.'\n"
        "    raise InvalidInput('Bogot\\xe1 \\ud800 \\U0001f600')\n"
        "run(step)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "RUN_ID": "r"},
        capture_output=True,
    )
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["message"] == "Bogotá \\ud800 \N{GRINNING FACE}"
