"""How well and how soon `quintet why` names a cause, on a running platform: ``python -m bench.why``."""

import re
import subprocess
import sys
import time

from quintet.ops.kube import Kube
from tests.e2e.failures import FAILURES, failing_dags


def main() -> None:
    """Cause all failures, ask the command line for the cause of each, and print a table."""
    kube = Kube.of("quintet", None)
    right = 0
    with failing_dags(kube) as runs:
        print(f"{'injected':20} {'expected':26} {'named':26} {'seconds':>7}")
        for name, expected in FAILURES.items():
            began = time.monotonic()
            command = [sys.executable, "-m", "quintet", "why", f"why_{name}", runs[name]]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            seconds = time.monotonic() - began
            named = re.search(r"^  (?:cause|likely) +(.*?)\. ", said, re.MULTILINE)
            cause = named[1] if named else "none"
            right += cause == expected
            print(f"{name:20} {expected:26} {cause:26} {seconds:7.1f}", flush=True)
    print(f"{right} of {len(FAILURES)} causes named rightly")


if __name__ == "__main__":
    main()
