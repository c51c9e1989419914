import sys
from pathlib import Path

import pytest

from quintet.progress import CommandError, Stage, output, stage, succeeds
from tests.screen import Screen, await_picture


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_stage_says_what_it_does_and_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    with stage("registry", "images for the cluster") as current:
        current.outcome = "it runs"
    shown = capsys.readouterr()
    assert shown.err.startswith("▸ registry: images for the cluster\n✓ registry 0.0 s  it runs")
    assert shown.out == ""


def test_a_note_is_shown_without_a_terminal_too(capsys: pytest.CaptureFixture[str]) -> None:
    current = Stage("release")
    current.say("a detail")
    current.note("waiting for postgres-0")
    assert capsys.readouterr().err == "  release 0 s: waiting for postgres-0\n"
    assert current.log.read_text() == "a detail\nwaiting for postgres-0\n"


def test_the_output_of_a_command_goes_to_the_log() -> None:
    current = Stage("image forest-train")
    current.run(sys.executable, "-c", "print(input())", stdin="a layer")
    assert current.log.name == "image-forest-train.log"
    assert "a layer\n" in current.log.read_text()


def test_a_failure_shows_the_last_lines_and_names_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys\nfor i in range(99): print('line', i)\nsys.exit(3)"
    with pytest.raises(CommandError) as failure, stage("build", "of nothing") as current:
        current.run(sys.executable, "-c", program)
    assert "failed with code 3" in str(failure.value)
    assert "line 98" in str(failure.value)
    assert "line 7\n" not in str(failure.value)
    assert str(current.log) in str(failure.value)
    assert "✗ build failed after" in capsys.readouterr().err


def test_a_program_that_is_not_there_is_named() -> None:
    assert not succeeds("no-such-program")
    with pytest.raises(CommandError, match="no-such-program cannot be run: No such file or directory"):
        output("no-such-program")
    with pytest.raises(CommandError, match="no-such-program cannot be run"):
        Stage("nothing").run("no-such-program")


def test_a_short_command_fails_with_its_stderr() -> None:
    with pytest.raises(CommandError, match="no space left"):
        output(sys.executable, "-c", "import sys; sys.exit('no space left')")


def test_stages_at_work_at_once_each_have_a_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with stage("postgres", "the server") as first:
        first.say("initdb")
        with stage("s3", "the objects") as second:
            second.say("[bold]a bucket[/bold]")
            await_picture(screen, "initdb", "[bold]a bucket[/bold]")
        first.note("it listens")
    shown = screen.getvalue()
    assert "▸ s3: the objects\n" in shown
    assert "it listens\n" not in shown
    assert shown.index("✓ s3 ") < shown.index("✓ postgres ")
    # The cursor is there again, and the lines that moved are not.
    assert shown.count("\033[?25l") == shown.count("\033[?25h") == 1
    assert shown.endswith(" s\n")
