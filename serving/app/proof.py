"""A bundle proved in a process of its own, which it may hang, fill or end.

`bundle` refuses all that is known to be wrong with one before native code gets it. What nobody knows yet must
not reach the process that answers: a call that never returns holds Python's lock, and a fault in native code
ends it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from app.registry import ModelVersion
from app.settings import Settings
from bundle import BundleError

Prove = Callable[[ModelVersion, Path], None]

WALL_SECONDS_PER_SECOND = 6
"""A pod that has used up its share of the processor gets on so much more slowly."""
PASSED_ON = ("PATH", "HOME", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "CC", "LANG")
"""Of the environment: the process needs no password, and gets none."""


class ProofUnfinishedError(Exception):
    """The process could not be started, or had too little of the processor: says nothing of the bundle."""


class ProofProcess:
    """Proves bundles, each in a process that ends with it."""

    def __init__(self, settings: Settings) -> None:
        """Takes the limits of the process.

        Args:
            settings: Its memory and its time.
        """
        self._limits = settings.proof_seconds, settings.proof_memory_bytes

    def __call__(self, version: ModelVersion, folder: Path) -> None:
        """Opens a bundle, and compares its answers with those that training recorded.

        Args:
            version: What the registry says of it.
            folder: Holds the bundle.

        Raises:
            BundleError: It is refused, ends its process, or takes more time or memory than it may.
            ProofUnfinishedError: The process could not be started, or had too little of the processor.
        """
        seconds, memory = self._limits
        command = [sys.executable, "-m", "app.proof_process", str(folder), version.digest]
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        try:
            ended = subprocess.run(
                [*command, str(seconds), str(memory)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=seconds * WALL_SECONDS_PER_SECOND,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ProofUnfinishedError(f"it was not proved within {error.timeout:g} seconds") from None
        except OSError as error:
            raise ProofUnfinishedError(f"no process to prove it could start: {error.strerror}") from error
        if ended.returncode == -signal.SIGXCPU:
            raise BundleError(f"proving it took more than {seconds} seconds of the processor")
        if ended.returncode:
            raise BundleError(f"proving it ended the process: {_told(ended.returncode)}")
        if reason := json.loads(ended.stdout)["reason"]:
            raise BundleError(reason)


def _told(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
