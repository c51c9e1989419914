"""The commit that the workspace stands at."""

import subprocess

from quintet.paths import WORKSPACE


def revision() -> str:
    """Return the commit of the workspace, `-dirty` when files differ from it; "" without Git or a commit."""
    command = ["git", "-C", str(WORKSPACE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
