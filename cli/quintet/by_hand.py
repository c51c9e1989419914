"""A step that a person runs: which one, as which run, and how it ended."""

import secrets
from datetime import UTC, datetime

from quintet.pipelines import Step, pipelines
from quintet.progress import UserError
from stepkit import exit_codes


def find(pipeline: str, step: str) -> Step:
    """Return a step of the workspace.

    Raises:
        UserError: when there is no such pipeline or step; names those there are.
    """
    known, name = pipelines(), step.replace("_", "-")
    if pipeline not in known:
        raise UserError(f"There is no pipeline {pipeline}; there are {', '.join(known)}.")
    steps = known[pipeline].steps
    if name not in steps:
        raise UserError(f"Pipeline {pipeline} has no step {name}; it has {', '.join(steps)}.")
    return steps[name]


def run_id() -> str:
    """Return the id of a run that a person starts: what a former run has done is not found by it."""
    return f"by-hand-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def ending(exit_code: int, more: str = "") -> str:
    """Return how a run ended, as a mark and a few words.

    Args:
        exit_code: of the step.
        more: what else is known of it.
    """
    mark = {exit_codes.DONE: "✓", exit_codes.NOTHING_TO_DO: "-"}.get(exit_code, "✗")
    return f"{mark} ended with exit code {exit_code}{more and f', {more}'}"
