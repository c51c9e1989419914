"""The contract of a step with whoever runs it: options in, one small JSON result and an exit code out.

    def extract(settings: Settings, *, group_number: Annotated[int, Option("our group")]) -> Extracted: ...

    if __name__ == "__main__":
        run(extract)

The exit codes are `stepkit.exit_codes`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from stepkit import exit_codes, log
from stepkit.errors import Code, NothingToDo, StepError, Terminated
from stepkit.options import parse_options
from stepkit.settings import Settings

MAX_RESULT_BYTES = 4000
"""The kubelet cuts a termination message at 4,096 bytes without a word."""

_ILLEGIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_logger = logging.getLogger("stepkit.step")


def run(function: Callable[..., Any]) -> NoReturn:
    """Runs a step as this process and exits with its code.

    Args:
        function: takes `Settings` and keyword-only options (see `stepkit.options`); returns a dataclass or a
            dict that is JSON of at most `MAX_RESULT_BYTES` bytes.
    """
    sys.exit(execute(function, sys.argv[1:], os.environ))


def execute(function: Callable[..., Any], arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs a step and returns its exit code; `run` without the exit, for tests.

    The result is written to the file that `RESULT_PATH` names, if any, and printed as the last line of
    standard output. A step that ends otherwise leaves `{"code": ..., "message": ..., "exit_code": ...}`
    there, with what it knows of `file`, `row`, `column` and `service`: see `stepkit.errors`.
    """
    result_path = environment.get("RESULT_PATH")
    former_handler = signal.signal(signal.SIGTERM, _terminate)
    try:
        settings = Settings.from_environment(environment)
        log.start(settings.run)
        options = parse_options(function, arguments, environment)
        run_id = options.pop("run_id")
        settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, run_id=run_id))
        log.start(settings.run)
        result = function(settings, **options)
        _publish(_encode(result), result_path)
    except NothingToDo as end:
        _logger.info("nothing to do: %s", end)
        _publish(_encode_ending(end.fields), result_path)
        return end.exit_code
    except StepError as end:
        _logger.error("%s", end)
        _publish(_encode_ending(end.fields), result_path)
        return end.exit_code
    except Terminated as end:
        _logger.error("%s", end)
        _publish(_encode_ending(_fields(Code.TERMINATED, str(end), end.exit_code)), result_path)
        return end.exit_code
    except Exception as error:
        _logger.exception("this is a bug in the step")
        fields = _fields(Code.of_bug(error), f"{type(error).__name__}: {error}", exit_codes.BUG)
        _publish(_encode_ending(fields), result_path)
        return exit_codes.BUG
    finally:
        signal.signal(signal.SIGTERM, former_handler)
    return exit_codes.DONE


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise Terminated("the step was told to stop (SIGTERM) and can be run again")


def _encode(result: Any) -> str:
    fields = dict(result) if isinstance(result, Mapping) else dataclasses.asdict(result)
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > MAX_RESULT_BYTES:
        raise ValueError(
            f"the result is longer than {MAX_RESULT_BYTES} bytes; write it to S3 and return its URI"
        )
    return text


def _fields(code: Code, message: str, exit_code: int) -> dict[str, Any]:
    return {"code": str(code), "message": message, "exit_code": exit_code}


def _encode_ending(fields: dict[str, Any]) -> str:
    """Encodes an ending, shortening its longest text until it fits: a cut message would not be JSON.

    Halves of characters and control characters, which a source's text may hold, are written as escapes: no
    file, database or terminal takes all of them.
    """
    shortened = {name: _legible(value) if isinstance(value, str) else value for name, value in fields.items()}
    text = json.dumps(shortened, ensure_ascii=False)
    while len(text.encode()) > MAX_RESULT_BYTES:
        longest = max(shortened, key=lambda name: len(str(shortened[name])))
        shortened[longest] = shortened[longest][: len(shortened[longest]) * 3 // 4] + "…"
        text = json.dumps(shortened, ensure_ascii=False)
    return text


def _legible(text: str) -> str:
    return _ILLEGIBLE.sub(lambda found: ascii(found[0])[1:-1], text[:MAX_RESULT_BYTES])


def _publish(text: str, result_path: str | None) -> None:
    if result_path:
        Path(result_path).write_text(text, encoding="utf-8")
    try:
        print(text, flush=True)
    except UnicodeEncodeError:  # where the locale is not UTF-8
        print(json.dumps(json.loads(text)), flush=True)
