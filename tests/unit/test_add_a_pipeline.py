"""Who follows docs/add-a-pipeline.md to the letter has a pipeline, and can take it away again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2

import pytest

from tests.charts.render import named, of_kind, render

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/add-a-pipeline.md"
LAST_SECTION = "Take it away"


@dataclass(frozen=True)
class Block:
    """A fenced block of the page: commands, or lines of a file."""

    section: str
    info: tuple[str, ...]
    lines: list[str]

    @property
    def file(self) -> str:
        return self.info[1]

    @property
    def place(self) -> str | None:
        return self.info[2] if len(self.info) > 2 else None

    def apply(self, copy: Path) -> None:
        """Does to a copy of the repository what the block says."""
        if self.info == ("console",):
            commands = "\n".join(line.removeprefix("$ ") for line in self.lines)
            _run(copy, "sh", "-ec", commands)
        elif self.place is None:
            path = copy / self.file
            assert not path.exists(), f"the page makes {self.file}, which is there"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(self.lines) + "\n")
        else:
            path = copy / self.file
            there = path.read_text().splitlines()
            at = len(there) if self.place == "end" else end_of(there, self.place)
            path.write_text("\n".join([*there[:at], *self.lines, *there[at:]]) + "\n")

    def take_out(self, copy: Path) -> None:
        """Takes lines that were added to a file out of it again."""
        path = copy / self.file
        text, lines = path.read_text(), "\n".join(self.lines) + "\n"
        assert text.count(lines) == 1, f"{self.file} holds the page's lines {text.count(lines)} times"
        path.write_text(text.replace(lines, ""))


def blocks() -> Iterator[Block]:
    """The blocks of the page, in order."""
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.M):
        for info, body in re.findall(r"^```(.+?)\n(.*?)^```$", section, flags=re.M | re.S):
            yield Block(section.splitlines()[0], tuple(info.split()), body.splitlines())


def end_of(lines: list[str], place: str) -> int:
    """How many lines there are up to the end of what a dotted path of keys, of YAML or Python, leads to."""
    start, end = 0, len(lines)
    for key in place.split("."):
        names = re.compile(rf"( *)(- )?[\"']?{re.escape(key)}[\"']?( =|:|,)")
        found = [(len(match[1]), at) for at in range(start, end) if (match := names.match(lines[at]))]
        assert found, f"there is no {key} on the way to {place}"
        indent, at = min(found)
        inside = re.compile(rf"\s*$| {{{indent + 1}}}")
        start = at + 1
        end = next((below for below in range(start, end) if not inside.match(lines[below])), end)
    while not lines[end - 1].strip():
        end -= 1
    return end


def _run(copy: Path, *command: str) -> str:
    """Runs a command in the copy and gives what it prints."""
    # The copy imports nothing of this repository; the python3 of the page is the one that runs this test.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    result = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's files in a folder of their own, known to Git."""
    listed = _run(REPOSITORY, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    copy = tmp_path / "quintet"
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(REPOSITORY / name):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(REPOSITORY / name, copy / name, follow_symlinks=False)
    _run(copy, "git", "init", "--quiet")
    _run(copy, "git", "add", "--all")
    return copy


def test_the_page_adds_a_pipeline_and_takes_it_away(copy: Path) -> None:
    for block in blocks():
        if block.section.endswith(LAST_SECTION):
            assert_the_charts_know_it(copy)
        block.apply(copy)
    for block in blocks():
        # Of a file that the page made nothing is left.
        if block.info[0] != "console" and (REPOSITORY / block.file).exists():
            block.take_out(copy)
    assert _run(copy, "git", "diff") == ""
    assert _run(copy, "git", "ls-files", "--others", "--exclude-standard") == ""


def assert_the_charts_know_it(copy: Path) -> None:
    release = render(str(copy / "charts/quintet"))
    secrets = [secret["metadata"] for secret in of_kind(release, "Secret")]
    namespaces = {secret["namespace"] for secret in secrets if secret["name"] == "postgres-weather"}
    assert namespaces == {"quintet", "quintet-tasks"}
    images = json.loads(named(release, "ConfigMap", "airflow-step-images")["data"]["images.json"])
    assert {"weather-load", "weather-observe"} <= set(images)
    assert "migrations.weather.0001_tables.sql" in named(release, "ConfigMap", "postgres-migrations")["data"]
    assert "weather.py" in named(release, "ConfigMap", "airflow-dags")["data"]
