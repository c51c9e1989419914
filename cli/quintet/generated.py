"""``quintet generate``: the files derived from every `pipeline.yaml`, and which of them are stale."""

import argparse
from collections.abc import Callable
from pathlib import Path

import yaml

from quintet.paths import REPOSITORY
from quintet.pipelines import pipelines

HEADER = "# Made by `make generate` from pipelines/*/pipeline.yaml: edit those.\n"


def samples() -> str:
    """Return the values that bring the sample pipelines, as YAML."""
    given = {
        name: {key: value for key, value in pipeline.given.items() if key != "name"}
        for name, pipeline in pipelines().items()
    }
    values = {"global": {"pipelines": given}, "api-data": {"enabled": True}}
    return HEADER + yaml.safe_dump(values, sort_keys=False, width=130, allow_unicode=True)


FILES: dict[str, Callable[[], str]] = {"charts/quintet/values-samples.yaml": samples}
"""Path -> what makes its content."""


def stale() -> list[str]:
    """Return the paths of files whose content is not what the pipelines say."""
    return [path for path, content in FILES.items() if _text(REPOSITORY / path) != content()]


def main(_arguments: argparse.Namespace) -> None:
    """Write the files that are stale."""
    changed = write()
    print(f"{len(changed)} of {len(FILES)} files were stale. Next: make test-fast")


def write() -> list[str]:
    """Write the files that are stale, and return and print their paths."""
    changed = stale()
    for path in changed:
        (REPOSITORY / path).write_text(FILES[path](), encoding="utf-8")
        print(f"  {path}")
    return changed


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
