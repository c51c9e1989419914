"""Seconds from a saved edit of a step to its first log line: ``python -m bench.edit_loop local forest load``.

A copy of the checkout is edited, so that yours stays as it is. Each edit lets the step log a line of its own
before all else; the next one is saved when that run has ended.
"""

import argparse
import ast
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from quintet.by_hand import find
from quintet.paths import PLATFORM
from run_in import IMPORT_ROOTS, environment

WAITS = "the next save"


def main() -> None:
    """Save edits one after another and print what each took, the median and the worst."""
    parser = argparse.ArgumentParser(description="Seconds from a saved edit of a step to its first log line.")
    parser.add_argument("on", choices=("local", "cluster"), help="where the step runs")
    parser.add_argument("--edits", type=int, default=20, help="default: 20")
    parser.add_argument("--like", metavar="RUN", help="as `quintet step` takes it")
    parser.add_argument("pipeline")
    parser.add_argument("step")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of the step")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quintet-edits-") as folder:
        checkout = Path(folder)
        copy_checkout(checkout)
        took = list(_edits(asked, checkout))
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{len(took)} edits of {asked.pipeline}-{asked.step}, {asked.on}: ", end="")
    print(f"median {statistics.median(took):.2f} s, ", end="")
    print(f"worst {max(took):.2f} s; load average of the machine {loads}")


def edited(source: str, function: str, message: str) -> str:
    """Return the source of a step that logs a message before all else.

    Args:
        source: of its module.
        function: of the step.
        message: to log.
    """
    found = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    (step,) = (node for node in found if node.name == function)
    first = step.body[1 if ast.get_docstring(step) else 0]
    lines = source.splitlines(keepends=True)
    lines.insert(first.lineno - 1, f'    __import__("logging").info({message!r})\n')
    return "".join(lines)


def _edits(asked: argparse.Namespace, checkout: Path) -> Iterator[float]:
    """Yield the seconds of each edit."""
    module = find(asked.pipeline, asked.step).module
    file = checkout / "pipelines" / f"{module.replace('.', '/')}.py"
    original = file.read_text(encoding="utf-8")
    # Else the image of an edit would be there from the time before.
    now = f"{time.time():.0f}"
    process = _watch(asked, checkout)
    try:
        _await(process, WAITS)
        for number in range(1, asked.edits + 1):
            message = f"edit {number} of {asked.edits}, {now}"
            file.write_text(edited(original, module.rpartition(".")[2], message), encoding="utf-8")
            saved = time.monotonic()
            _await(process, f'"message": "{message}"')
            took = time.monotonic() - saved
            print(f"edit {number}: {took:.2f} s", flush=True)
            yield took
            _await(process, WAITS)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _watch(asked: argparse.Namespace, checkout: Path) -> subprocess.Popen[str]:
    like = ["--like", asked.like] if asked.like else []
    words = ["--on", asked.on, "step", "--watch", *like, asked.pipeline, asked.step, *asked.options]
    state = os.environ.get("QUINTET_STATE") or str(PLATFORM / ".quintet")
    roots = import_roots(checkout)
    return subprocess.Popen(
        [environment("cli") / "bin" / "python", "-m", "quintet", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": roots, "QUINTET_STATE": state},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _await(process: subprocess.Popen[str], phrase: str) -> None:
    """Read what the command says up to a line with a phrase."""
    assert process.stdout  # noqa: S101 - it was asked for
    said = []
    for line in process.stdout:
        said.append(line)
        if phrase in line:
            return
    sys.exit(f"`quintet step` ended before it said {phrase!r}:\n{''.join(said)}")


def import_roots(checkout: Path) -> str:
    """Return the PYTHONPATH of a copy of the checkout."""
    return os.pathsep.join(str(checkout / root.relative_to(PLATFORM)) for root in IMPORT_ROOTS)


def copy_checkout(folder: Path) -> None:
    """Copy the files that Git knows or would take in, as they are now."""
    command = ["git", "-C", str(PLATFORM), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (PLATFORM / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PLATFORM / name, folder / name, follow_symlinks=False)


if __name__ == "__main__":
    main()
