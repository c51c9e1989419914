"""Decides who is champion, records why, and shows it to the world. Also the way back to an older version."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

from forest import registry
from forest.assessment import Assessment, assess
from forest.decisions import Decision, Model, exclusive
from stepkit.options import Option
from stepkit.outcomes import RefusedInput
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Promoted:
    """The decision, and who is champion after it."""

    verdict: str
    reason: str
    champion: str | None
    """The champion's algorithm; its version stands beside it."""
    version: int | None
    decision_id: int


def promote(
    settings: Settings,
    *,
    evaluation_uri: Annotated[str | None, Option("S3 URI of evaluate's document")] = None,
    rollback_to: Annotated[int | None, Option("version to make champion again", minimum=1)] = None,
    reason: Annotated[str | None, Option("why, in a sentence; required with --rollback-to")] = None,
    bucket: Annotated[str, Option("bucket of latest_model.json", env="DATA_BUCKET")] = "data",
) -> Promoted:
    """Promotes the challenger of an evaluation, or refuses it; a retry stays with the decision it finds."""
    if (evaluation_uri is None) == (rollback_to is None):
        raise RefusedInput("give either --evaluation-uri (EVALUATION_URI) or --rollback-to (ROLLBACK_TO)")
    shown = registry.of(settings, bucket)
    with exclusive(settings) as decisions:
        champion = decisions.champion()
        # Puts right what a killed run has left, and ends here, with nothing decided, when MLflow is down.
        shown.show(champion)
        decided = decisions.of_this_run()
        if decided is None:
            if rollback_to is not None:
                decision = _return_to(rollback_to, reason, shown, champion)
            else:
                decision = _judge(settings, str(evaluation_uri), champion)
            decided = decisions.record(decision), decision.outcome, decision.reason
            champion = decisions.champion()
        version = shown.show(champion)
    decision_id, outcome, sentence = decided
    _logger.info("decision %d: %s: %s", decision_id, outcome, sentence)
    return Promoted(outcome, sentence, champion.algorithm if champion else None, version, decision_id)


def _judge(settings: Settings, evaluation_uri: str, champion: Model | None) -> Decision:
    """Follows an evaluation's verdict; when the champion has changed since, that of a new one."""
    found = Assessment.from_json(ObjectStore().get(evaluation_uri))
    if found.champion != champion:
        _logger.info("the champion has changed since the evaluation: the challenger is scored again")
        found = assess(settings, found.challenger, champion, found.snapshot_uri, found.thresholds)
    return Decision(
        outcome="promoted" if found.verdict == "promote" else "refused",
        reason=found.reason,
        challenger=found.challenger,
        champion=champion,
        metrics=found.metrics,
        comparison=found.comparison,
        parameters_sha256=found.parameters_sha256,
    )


def _return_to(
    version: int, reason: str | None, shown: registry.Registry, champion: Model | None
) -> Decision:
    if not reason:
        raise RefusedInput("--reason (REASON) is required with --rollback-to: say why, in a sentence")
    former = shown.model(version)
    if former == champion:
        raise RefusedInput(f"version {version} is the champion already")
    return Decision("rolled_back", reason, challenger=former, champion=champion)


if __name__ == "__main__":
    run(promote)
