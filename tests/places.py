"""Where the repository is, and where a run of tests keeps what its workers share."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
RUN_FOLDER = "QUINTET_TESTS_FOLDER"
"""The variable that names the folder of a run, which its workers share."""
