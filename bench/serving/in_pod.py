"""Runs loads one after the other beside `load.py`, and prints the result of each as a line of JSON.

    python in_pod.py '[[["host", "80", "16", "5", "/bench/1.requests", "0"]], ...]'

Each entry is a list of loads that run at the same time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Runs and prints."""
    program = str(Path(__file__).with_name("load.py"))
    for together in json.loads(sys.argv[1]):
        running = [
            subprocess.Popen([sys.executable, program, *words], stdout=subprocess.PIPE) for words in together
        ]
        for each in running:
            output, _ = each.communicate()
            if each.returncode:
                sys.exit(each.returncode)
            print(output.decode().strip(), flush=True)


if __name__ == "__main__":
    main()
