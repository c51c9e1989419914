"""The process that proves a bundle: `python -m app.proof_process FOLDER DIGEST SECONDS BYTES`.

It imports what reads a bundle and no more: a new champion waits for it, and all of the API takes a second of
the processor to import.
"""

import json
import os
import resource
import sys
from pathlib import Path

import bundle

MOST_SAID = 2000


def _verdict(folder: Path, digest: str, memory: int) -> str | None:
    """Returns why a bundle is refused; None where it proves good."""
    try:
        bundle.load(folder, expected_digest=digest).check_smoke()
    except (bundle.BundleError, OSError) as error:
        return str(error)
    except MemoryError:
        return f"proving it takes more than {memory} bytes of memory"
    except Exception as error:
        return f"loading it failed unexpectedly: {error!r}"
    return None


def main() -> None:
    """Proves the bundle that the arguments name, within their limits, and writes the verdict as JSON."""
    folder, digest, *numbers = sys.argv[1:]
    seconds, memory = map(int, numbers)
    os.nice(5)  # those who wait for an answer come first, and leave it a quarter of the time
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    # Not the address space: a bundle's arrays are mapped, and the kernel takes back such pages when it must.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    reason = _verdict(Path(folder), digest, memory)
    print(json.dumps({"reason": reason and reason[:MOST_SAID]}))


if __name__ == "__main__":
    main()
