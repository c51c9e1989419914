"""``quintet new``: the folder of a new pipeline, which runs, has a test that passes, and a page."""

import re
import shutil
from pathlib import Path

from quintet import generated
from quintet.paths import FILE, PIPELINES, PLATFORM, WORKSPACE, in_the_checkout
from quintet.pipeline_file import refusal_of_name
from quintet.pipelines import pipelines, read
from quintet.progress import UserError

STARTER = PLATFORM / "cli" / "quintet" / "starters" / "ingest"
"""A pipeline that takes readings in and merges them into a table; each file of it holds its name, `NAME`."""
NAME = "weather"
IMPORTS = re.compile(r"(?:^from \S+ import .+\n)+", re.MULTILINE)
"""A block of imports, whose order goes by the names of the modules."""


def main(name: str) -> None:
    """Write the folder, in the checkout also the files that are derived from all pipelines.

    Raises:
        UserError: when the name cannot be a pipeline's, or is taken, or the workspace is a pipeline itself.
    """
    if (WORKSPACE / FILE).exists():
        raise UserError(f"{WORKSPACE} is a pipeline itself: go to the folder above, or to an empty one.")
    folder = make(name, PIPELINES)
    if in_the_checkout():
        pipelines.cache_clear()
        generated.write()
    dag = next(iter(read(folder).dags))
    shown = folder.relative_to(WORKSPACE)
    print(f"{shown} has a step that keeps readings and one that merges them into a table: change both.")
    print(f"Next: quintet --on local run {dag} --param readings=roof,21.5, then make test-fast")


def make(name: str, place: Path) -> Path:
    """Write the folder of a new pipeline and return its path; a failure leaves nothing.

    Args:
        name: of the pipeline.
        place: the folder that takes it.

    Raises:
        UserError: when the name cannot be a pipeline's, or is taken.
    """
    if reason := refusal_of_name(name):
        raise UserError(f"{name!r} cannot be the name of a pipeline: {reason}.")
    folder = place / name
    unfinished = place / f".{name}.unfinished"
    if folder.exists():
        raise UserError(f"{folder} is there already: take another name, or remove it.")
    shutil.rmtree(unfinished, ignore_errors=True)
    for source in sorted(path for path in STARTER.rglob("*") if path.is_file()):
        target = unfinished / str(source.relative_to(STARTER)).replace(NAME, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8").replace(NAME, name).replace(NAME.title(), name.title())
        target.write_text(IMPORTS.sub(_sorted, text) if target.suffix == ".py" else text, encoding="utf-8")
    return unfinished.rename(folder)


def _sorted(block: re.Match[str]) -> str:
    lines = block[0].splitlines(keepends=True)
    return "".join(sorted(lines, key=lambda line: line.split()[1]))
