"""The command `quintet` in an environment of its own, for a checkout and for an installed package."""

import sys
from pathlib import Path


def main() -> None:
    """Become the command line, whose environment is made from its lock the first time."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import run_in

    sys.argv[1:1] = ["cli", "-m", "quintet"]
    run_in.main()
