"""The commit that this checkout stands at."""

import subprocess

from quintet.paths import REPOSITORY


def revision() -> str:
    """Return the commit of this checkout, `-dirty` when files differ from it; "" without Git or a commit."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
