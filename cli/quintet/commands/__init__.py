"""The command line: what is typed, and which function does it.

Each command's module is imported when the command runs: `--help` and completion need none of them.
"""

from quintet.commands import cluster, either, kind, local, repository
from quintet.commands.app import app

__all__ = ["app", "cluster", "either", "kind", "local", "repository"]
