"""Decides whether the new model becomes champion, records why, and shows it to serving; also the way back."""

from __future__ import annotations

from typing import Annotated

from stepkit.options import Option
from stepkit.promotion import promote_step
from stepkit.promotion.promote_step import EvaluationUri, Promoted, Reason, RollbackTo
from stepkit.settings import Settings
from stepkit.step import run
from weather.policy import POLICY


def promote(
    settings: Settings,
    *,
    evaluation_uri: EvaluationUri = None,
    rollback_to: RollbackTo = None,
    reason: Reason = None,
    bucket: Annotated[str, Option("bucket of latest_model.json", env="DATA_BUCKET")] = "data",
) -> Promoted:
    """Promotes the model of an evaluation, or refuses it; a retry stays with the decision it finds."""
    return promote_step.promote(
        settings,
        POLICY,
        evaluation_uri=evaluation_uri,
        rollback_to=rollback_to,
        reason=reason,
        bucket=bucket,
    )


if __name__ == "__main__":
    run(promote)
