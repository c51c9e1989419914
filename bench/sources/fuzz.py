"""Damaged answers for what reads each source: ``python -m bench.sources.fuzz [EXAMPLES [SOURCE…]]``.

Prints how often each exit code came, by source. Fails when one was 1, which is for bugs, or when a step
raised instead of ending. The same examples in every run.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import sys
from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings

from bench.sources.answers import damaged
from bench.sources.readers import READERS, Reader
from stepkit.step import execute
from tests.scripted_http import ScriptedServer, serving

EXAMPLES = 200


def main() -> None:
    """Runs all sources, or those that are named."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    bad = 0
    for name in sys.argv[2:] or READERS:
        codes: Counter[str] = Counter()
        run(READERS[name], examples, functools.partial(_count, codes))
        print(name, dict(sorted(codes.items())), flush=True)
        bad += codes["1"] + codes["crash"]
    sys.exit(1 if bad else 0)


def _count(codes: Counter[str], code: str, said: str) -> None:
    codes[code] += 1
    if code in ("1", "crash"):
        print(code, said[:500], flush=True)


def run(reader: Reader, examples: int, tell: Callable[[str, str], None]) -> None:
    """Reads damaged answers.

    Args:
        reader: what reads them.
        examples: how often.
        tell: gets each exit code, or `crash`, and what the step said.
    """
    with serving(b"") as server:

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(damaged(reader.answers))
        def read(answers: list[bytes]) -> None:
            tell(*_ended(reader, server, answers))

        read()


def _ended(reader: Reader, server: ScriptedServer, answers: list[bytes]) -> tuple[str, str]:
    server.scripts = list(answers)
    server.requests.clear()
    server.received.clear()
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            code = execute(reader.step, ["--url", server.url], {"RUN_ID": "fuzz"})
        message = said.getvalue().splitlines()[-1]
        json.loads(message.encode())
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error} {answers!r:.2000}"
    return str(code), message


if __name__ == "__main__":
    main()
