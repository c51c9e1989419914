"""Reads a workbook of either layout; also in a process of its own, without secrets and with little memory."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from pathlib import Path

from excel import apart, daily, weekly
from excel.findings import Findings
from excel.workbook import Workbook, WorkbookRefused

LAYOUTS = {
    "boletín diario de precios mayoristas": daily.read,
    "boletín semanal precios mayoristas": weekly.read,
}
"""How a workbook of each layout is read, by its title."""
MOST_MEMORY_BYTES = 512 << 20
MOST_SECONDS = 120
_TITLE_ROWS = 10
_INHERITED = ("PATH", "LANG", "LC_ALL")


class ReaderError(Exception):
    """The code that reads workbooks has failed, whatever the workbook."""


def read(body: bytes) -> Findings:
    """Returns what a workbook holds; a file that is not one gives findings that say why it was refused."""
    try:
        workbook = Workbook(body)
        for cells in workbook.rows(workbook.first)[:_TITLE_ROWS]:
            title = " ".join(" ".join(map(str, cells)).lower().split())
            for beginning, read_layout in LAYOUTS.items():
                if beginning in title:
                    return read_layout(workbook)
        known = " nor ".join(f"`{title}`" for title in LAYOUTS)
        raise WorkbookRefused(f"the head of the first sheet that it shows is neither {known}")
    except WorkbookRefused as refusal:
        return Findings(refused=str(refusal))


def read_apart(path: Path) -> Findings:
    """Returns what `read` returns, from a process of its own.

    A file that would take all memory, or that the reader of the format cannot bear, ends that process and not
    this one; and what its bytes may do, they do where there are no secrets: neither in the environment of
    that process, nor, by `/proc`, in that of this one, which stays closed from here on.

    Raises:
        ReaderError: the process ended by an exception, which is a bug of ours and says nothing of the file.
    """
    apart.hide()
    code = "from excel.reader import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            env=environment(),
            capture_output=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Findings(refused=f"it cannot be read in {MOST_SECONDS} s")
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode < 0:
        last = (said.splitlines() or ["it said nothing"])[-1][:300]
        return Findings(
            refused=f"it is damaged, or cannot be read with {MOST_MEMORY_BYTES >> 20} MB of memory: "
            f"its reader was ended by signal {-done.returncode} ({last})"
        )
    if done.returncode:
        raise ReaderError(f"the reader of workbooks ended with exit code {done.returncode}: {said[-2000:]}")
    return Findings.from_json(done.stdout)


def environment() -> dict[str, str]:
    """Returns what the process apart is told: where the code is, and nothing of ours that is a secret."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"}


def main() -> None:
    """Prints what the file that the command line names holds, as JSON."""
    apart.give_up_rights()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()  # a short life of many tuples and no cycle
    try:
        found = read(Path(sys.argv[1]).read_bytes()).to_json()
    except MemoryError:
        found = Findings(refused=f"it cannot be read with {MOST_MEMORY_BYTES >> 20} MB of memory").to_json()
    print(found)
