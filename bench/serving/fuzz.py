"""Requests made by Schemathesis from our OpenAPI document: `python -m bench.serving.fuzz [EXAMPLES]`.

Fails on an answer of 500 and above other than the documented ones, and on any answer outside the document.
EXAMPLES bounds the examples for each operation and phase; nearly all are for `/predict`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.serving.contest import started
from bench.serving.models import trained
from bench.serving.servers import QUINTET, SERVERS
from run_in import environment

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,positive_data_acceptance"
)
EXAMPLES = "100"
SETTINGS = """\
[parameters]
"query.strict" = false

[phases.fuzzing.error-feedback]
enabled = false

[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 408, 413, 415, 422, 429, 503]
"""
"""OpenAPI cannot say that a query closes the body: a field that is allowed there is refused with `strict`.
Schemathesis, which learns from refusals, would then expect all requests with one to be refused. And a body
with too many samples may be too large first: 413 is a refusal, too."""


def main() -> None:
    """Starts the API with the forest and becomes Schemathesis."""
    examples = sys.argv[1] if len(sys.argv) > 1 else EXAMPLES
    server = next(server for server in SERVERS if server.name == QUINTET)
    with (
        tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder,
        started(server, trained()[0], Path(folder)) as running,
    ):
        Path(folder, "schemathesis.toml").write_text(SETTINGS)
        command = [str(environment("bench-schemathesis") / "bin" / "python"), "-m", "schemathesis.cli", "run"]
        command += [f"http://127.0.0.1:{running.port}/openapi.json", "--max-examples", examples]
        command += [
            "--checks",
            CHECKS,
            "--seed",
            "1",
            "--continue-on-failure",
            "--generation-database",
            "none",
        ]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "NO_PROXY": "127.0.0.1"})
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
