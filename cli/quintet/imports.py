"""What `python -m <pipeline>.<step>` imports: the files of a step's image, and of its content tag.

`images/step/Dockerfile` runs this file with Python alone, so it imports nothing of ours.
"""

import ast
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

WHOLE = "bundle"
"""A package that loads modules of its own by name: whoever imports a part of it needs all of it."""
SHARED = ("stepkit", WHOLE)
PROGRAM = """\
import runpy

runpy.run_module("{module}", run_name="__main__", alter_sys=True)
"""
"""The program of an image, for `python <folder>`: the step sees what it sees of `python -m <module>`."""
SECONDS = 0
"""The time of each file in an image: the same content is the same layer, whenever it was checked out."""


class StepError(Exception):
    """What a step needs is not there, or is not Python; the message names the file."""


def needed(
    root: Path, pipeline: str, step: str, files: Iterable[str] = (), folder: Path | None = None
) -> list[Path]:
    """Return the files that the image of a step holds, sorted.

    Args:
        root: the repository.
        pipeline: the step's pipeline.
        step: the step's module, without the pipeline.
        files: files and folders of the pipeline that the image holds beside its code.
        folder: of the pipeline; default: the one in the repository.

    Raises:
        StepError: the step's module or one of the files is not there, or what it imports is not Python.
    """
    folders = {**{name: root / name for name in SHARED}, pipeline: folder or root / "pipelines" / pipeline}
    held, waiting = dict[str, Path](), [f"{pipeline}.{step}"]
    if _file(folders, waiting[0]) is None:
        raise StepError(f"The step {step} needs {folders[pipeline] / f'{step}.py'}, which is not there.")
    while waiting:
        module = waiting.pop()
        path = None if module in held else _file(folders, module)
        if path is None:
            continue
        held[module] = path
        waiting += _imported(module, path)
        if module == WHOLE:
            waiting += _modules(folders[WHOLE])
    found = {*held.values(), *(_below(folders[WHOLE]) if WHOLE in held else [])}
    for name in files:
        if not (folders[pipeline] / name).exists():
            raise StepError(f"The step {step} needs {folders[pipeline] / name}, which is not there.")
        found.update(_below(folders[pipeline] / name))
    return sorted(found)


def assemble(root: Path, pipeline: str, step: str, files: Iterable[str], image: Path) -> None:
    """Copy what the image of a step holds to a folder, and make that folder a program that runs the step.

    Args:
        root: the repository.
        pipeline: the step's pipeline.
        step: the step's module, without the pipeline.
        files: files and folders of the pipeline that the image holds beside its code.
        image: the folder, which is there.

    Raises:
        StepError: the step's module or one of the files is not there, or what it imports is not Python.
    """
    for path in needed(root, pipeline, step, files):
        own = path.is_relative_to(root / "pipelines")
        copy = image / path.relative_to(root / "pipelines" if own else root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    (image / "__main__.py").write_text(PROGRAM.format(module=f"{pipeline}.{step}"), encoding="utf-8")
    for path in (image, *image.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (SECONDS, SECONDS))


def _file(folders: dict[str, Path], module: str) -> Path | None:
    """Return the file of a module of ours; None of any other name."""
    top, *rest = module.split(".")
    if top not in folders:
        return None
    place = folders[top].joinpath(*rest)
    found = (path for path in (place / "__init__.py", place.with_name(f"{place.name}.py")) if path.is_file())
    return next(found, None)


def _imported(module: str, path: Path) -> Iterator[str]:
    """Yield what a file imports, at its top or later; before each come the packages around it.

    Of `from package import name` it cannot be seen whether the name is a module: both are yielded.
    """
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names = [module]
    try:
        statements = _statements(path.read_bytes())
    except SyntaxError as error:
        raise StepError(f"{path}:{error.lineno}: {error.msg}: this is not Python.") from error
    for level, start, name in statements:
        above = package[: len(package) + 1 - level] if level else []
        names.append(".".join([*above, *filter(None, (start, name))]))
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


@cache
def _statements(code: bytes) -> list[tuple[int, str | None, str]]:
    """Return what a file's code imports: the dots of each import, the module after `from`, and the name."""
    found: list[tuple[int, str | None, str]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [(0, None, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.level, node.module, alias.name) for alias in node.names]
    return found


def _modules(package: Path) -> Iterator[str]:
    """Yield the modules of a package."""
    for path in _below(package):
        if path.suffix == ".py":
            yield ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def _below(place: Path) -> list[Path]:
    """Return a file, or the files below a folder without what Python keeps beside them."""
    paths = sorted(place.rglob("*")) if place.is_dir() else [place]
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


if __name__ == "__main__":
    source, pipeline, step, image, *files = sys.argv[1:]
    try:
        assemble(Path(source), pipeline, step, files, Path(image))
    except StepError as error:
        sys.exit(str(error))
