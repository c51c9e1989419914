"""``quintet new``: the folder of a new pipeline, which runs, has a test that passes, and a page."""

import re
import shutil
from pathlib import Path
from typing import Literal

from quintet import generated
from quintet.paths import FILE, PIPELINES, PLATFORM, WORKSPACE, in_the_checkout
from quintet.pipeline_file import refusal_of_name
from quintet.pipelines import pipelines, read
from quintet.progress import UserError

STARTERS = PLATFORM / "cli" / "quintet" / "starters"
"""A folder for each kind: a pipeline whose files hold its name, `NAME`."""
Kind = Literal["ingest", "train", "files"]
FIRST: dict[Kind, tuple[str, str]] = {
    "ingest": (
        "a step that keeps readings and one that merges them into a table",
        "{run} --param readings=roof,21.5",
    ),
    "train": ("steps that train a model on the rows of a table, and promote the better one", "{run}"),
    "files": (
        "a step that merges files into a table",
        "{quintet} land {folder}/samples/readings.csv && {run}",
    ),
}
"""What is in the folder, and the commands that run it."""
NAME = "weather"
IMPORT = r"^from \S+ import (?:\([^)]*\)|.+)\n"
IMPORTS = re.compile(f"(?:{IMPORT})+", re.MULTILINE)
"""A block of imports, whose order goes by the names of the modules."""


def main(name: str, kind: Kind) -> None:
    """Write the folder, in the checkout also the files that are derived from all pipelines.

    Args:
        name: of the pipeline.
        kind: of its first steps.

    Raises:
        UserError: when the name cannot be a pipeline's, or is taken, or the workspace is a pipeline itself.
    """
    if (WORKSPACE / FILE).exists():
        raise UserError(f"{WORKSPACE} is a pipeline itself: go to the folder above, or to an empty one.")
    folder = make(name, kind, PIPELINES)
    if in_the_checkout():
        pipelines.cache_clear()
        generated.write()
    dag = next(iter(read(folder).dags))
    shown, (has, commands) = folder.relative_to(WORKSPACE), FIRST[kind]
    quintet = "./quintet --on local" if in_the_checkout() else "quintet"
    print(f"{shown} has {has}: change them.")
    print("Next:", commands.format(quintet=quintet, run=f"{quintet} run {dag}", folder=shown))
    print(f"then: {quintet.partition(' ')[0]} test {name}")


def make(name: str, kind: Kind, place: Path) -> Path:
    """Write the folder of a new pipeline and return its path; a failure leaves nothing.

    Args:
        name: of the pipeline.
        kind: of its first steps.
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
    starter = STARTERS / kind
    # An installed package has compiled them.
    for source in sorted(each for each in starter.rglob("*") if each.is_file() and each.suffix != ".pyc"):
        target = unfinished / str(source.relative_to(starter)).replace(NAME, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8").replace(NAME, name).replace(NAME.title(), name.title())
        target.write_text(IMPORTS.sub(_sorted, text) if target.suffix == ".py" else text, encoding="utf-8")
    return unfinished.rename(folder)


def _sorted(block: re.Match[str]) -> str:
    imports = re.findall(IMPORT, block[0], re.MULTILINE)
    return "".join(sorted(imports, key=lambda each: str(each).split()[1]))
