"""Where the repository is, and where everything that can be made again is kept."""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
AIRGAP = REPOSITORY / "airgap"


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
    return tomllib.loads(Path(__file__).with_name("versions.toml").read_text(encoding="utf-8"))
