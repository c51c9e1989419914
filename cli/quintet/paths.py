"""Where the platform's files are, whose pipelines commands work on, and where caches are.

``run_in`` imports this module in whatever Python there is: it needs nothing but Python itself.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

PLATFORM = Path(__file__).resolve().parents[2]
"""What the platform brings, charts, images, locks and its own code: a checkout, or an installed package."""
AIRGAP = PLATFORM / "airgap"
FILE = "pipeline.yaml"
"""What makes a folder a pipeline."""


def workspace_of(folder: Path) -> Path:
    """Return the workspace that commands given in a folder work on: the checkout, else the folder itself."""
    folder = folder.resolve()
    return PLATFORM if folder.is_relative_to(PLATFORM) else folder


def parent_of_pipelines(workspace: Path) -> Path:
    """Return the folder in which a workspace's pipelines are: its parent where it is a pipeline itself."""
    if (workspace / FILE).exists():
        return workspace.parent
    inner = workspace / "pipelines"
    return inner if inner.is_dir() and not _folders(workspace) else workspace


def pipeline_folders(workspace: Path) -> list[Path]:
    """Return the folders of a workspace's pipelines, sorted.

    Args:
        workspace: a pipeline itself, or holds some as `*/` or `pipelines/*/`; the first that there is counts.
    """
    return [workspace] if (workspace / FILE).exists() else _folders(parent_of_pipelines(workspace))


def _folders(parent: Path) -> list[Path]:
    # What begins with a dot is nobody's pipeline, such as a folder that is being made.
    return sorted(file.parent for file in parent.glob(f"[!.]*/{FILE}"))


def _current() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        sys.exit("The current folder is not there any more: go to another one.")


WORKSPACE = workspace_of(_current())
"""The workspace of this process."""
PIPELINES = parent_of_pipelines(WORKSPACE)
"""The folder in which its pipelines are, or would be."""


def is_checkout() -> bool:
    """Return whether the platform's files are a checkout, and not an installed package."""
    return (PLATFORM / "skaffold.yaml").exists()


def in_the_checkout() -> bool:
    """Return whether the workspace is the checkout itself, where what pipelines bring is written to files."""
    return WORKSPACE == PLATFORM


def cache_dir(*parts: str) -> Path:
    """Return the cache folder, or one below it, and make it.

    The root is ``$XDG_CACHE_HOME/quintet``, by default ``~/.cache/quintet``.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root.joinpath("quintet", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def versions() -> dict[str, Any]:
    """Return the pins of ``versions.toml``."""
    import tomllib  # Python 3.11; an older one gets to the sentence that refuses it

    return tomllib.loads(Path(__file__).with_name("versions.toml").read_text(encoding="utf-8"))
