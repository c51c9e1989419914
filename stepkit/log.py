"""Logs as JSON lines on standard error, each with the run it belongs to."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from stepkit.settings import Run

# JSON escapes what is below a blank. These are the others that steer a terminal, which may show a line, or
# that no stream can encode.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object a line."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": run.task_id}

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, with the traceback under `exception` when there is one."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.module if record.name == "__main__" else record.name,
            "message": record.getMessage(),
            **self._run,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False)
        return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def start(run: Run) -> None:
    """Sends every log of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(run))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("botocore", "boto3", "urllib3", "s3transfer"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
