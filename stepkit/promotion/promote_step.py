"""Decides who is champion, records why, and shows it to the world: the work of a step `promote`.

Also the way back to an older version.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Annotated

from stepkit import documents
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.promotion import registry
from stepkit.promotion.decisions import Decision, LockLost, Model, Recorded, exclusive
from stepkit.promotion.policy import Policy
from stepkit.promotion.scoring import Evaluation, score
from stepkit.s3 import ObjectMissing, ObjectStore
from stepkit.settings import Settings

# The options of a step `promote`.
EvaluationUri = Annotated[str | None, Option("S3 URI of evaluate's document, which ends in its sha256")]
RollbackTo = Annotated[int | None, Option("version to make champion again", minimum=1)]
Reason = Annotated[str | None, Option("why, in a sentence; required with --rollback-to")]
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
    policy: Policy,
    *,
    evaluation_uri: str | None,
    rollback_to: int | None,
    reason: str | None,
    bucket: str,
) -> Promoted:
    """Promotes the challenger of an evaluation, or refuses it; a retry stays with the decision it finds.

    Args:
        settings: lead to Postgres and MLflow.
        policy: how models are judged.
        evaluation_uri: of the document that `evaluate` wrote; or
        rollback_to: the version to make champion again.
        reason: why, with `rollback_to`.
        bucket: takes the snapshot of a champion, and `latest_model.json` where there is no registry.

    Raises:
        InvalidInput: the options do not go together, or this run has decided something else.
        DependencyUnavailable: Postgres, MLflow or S3 does not answer, or Postgres ended the session that
            holds the lock; what is shown is then the record's champion, whoever decided on it.
    """
    if (evaluation_uri is None) == (rollback_to is None):
        raise InvalidInput(
            "give either --evaluation-uri (EVALUATION_URI) or --rollback-to (ROLLBACK_TO)",
            Code.INVALID_SETTING,
        )
    if rollback_to is not None and not reason:
        raise InvalidInput(
            "--reason (REASON) is required with --rollback-to: say why, in a sentence", Code.INVALID_SETTING
        )
    shown = registry.of(settings, bucket, policy.pipeline)
    try:
        return _promote(settings, policy, shown, evaluation_uri, rollback_to, reason, bucket)
    except LockLost:
        _logger.warning("the promotion's lock was lost: what is shown is set to what the record says now")
        with exclusive(settings, policy.schema) as decisions:
            shown.show(decisions.champion(), decisions.confirm_lock)
        raise


def _promote(
    settings: Settings,
    policy: Policy,
    shown: registry.Registry,
    evaluation_uri: str | None,
    rollback_to: int | None,
    reason: str | None,
    bucket: str,
) -> Promoted:
    """Decides under the lock, then shows under it; raises `LockLost` when another may have decided meanwhile.

    The record is written when the first block ends. Another promotion may come between the two: the second
    shows what the record says then.
    """
    with exclusive(settings, policy.schema) as decisions:
        champion = decisions.champion()
        # Puts right what a killed run has left, and ends here, with nothing decided, when MLflow is down.
        shown.show(champion, decisions.confirm_lock)
        recorded = decisions.of_this_run()
        if recorded is None:
            if rollback_to is not None:
                decision = _return_to(rollback_to, str(reason), shown, champion)
            else:
                decision = _judge(settings, policy, str(evaluation_uri), champion)
                if decision.outcome == "promoted":
                    kept = keep_snapshot(policy, str(decision.snapshot_uri), decision.challenger, bucket)
                    decision = replace(decision, snapshot_uri=kept)
            recorded = decisions.record(decision)
        else:
            if rollback_to is not None:
                same = _is_return_to(shown.model(rollback_to), str(reason), recorded, champion)
            else:
                same = _is_verdict_on(read_evaluation(str(evaluation_uri)).challenger, recorded)
            if not same:
                raise InvalidInput(
                    f"--run-id (RUN_ID) {settings.run.run_id} stands for decision {recorded.decision_id},"
                    f" {recorded.outcome}: {recorded.reason!r}; use another --run-id for another decision",
                    Code.STATE_CONFLICT,
                )
    with exclusive(settings, policy.schema) as decisions:
        champion = decisions.champion()
        version = shown.show(champion, decisions.confirm_lock)
    _logger.info("decision %d: %s: %s", recorded.decision_id, recorded.outcome, recorded.reason)
    return Promoted(
        recorded.outcome,
        recorded.reason,
        champion.algorithm if champion else None,
        version,
        recorded.decision_id,
    )


def read_evaluation(uri: str) -> Evaluation:
    """Returns an evaluation.

    Raises:
        InvalidInput: there is none at the URI, or it is not the one that `evaluate` wrote.
        DependencyUnavailable: S3 does not answer.
    """
    return Evaluation.from_json(documents.read(uri))


def _judge(settings: Settings, policy: Policy, evaluation_uri: str, champion: Model | None) -> Decision:
    """Follows an evaluation's verdict; when the champion has changed since, that of a new one."""
    found = read_evaluation(evaluation_uri)
    if found.champion != champion:
        _logger.info("the champion has changed since the evaluation: the challenger is scored again")
        found = score(settings, policy, found.challenger, champion, found.snapshot_uri, found.thresholds)
    return Decision(
        outcome="promoted" if found.verdict == "promote" else "refused",
        reason=found.reason,
        challenger=found.challenger,
        champion=champion,
        metrics=found.metrics,
        comparison=found.comparison,
        parameters_sha256=found.parameters_sha256,
        snapshot_uri=found.snapshot_uri,
    )


def keep_snapshot(policy: Policy, snapshot_uri: str, model: Model, bucket: str) -> str | None:
    """Copies the rows that a champion was trained and judged on to where nothing expires.

    The folder is named by the rows' hash: a second promotion from the same rows copies the same again.

    Args:
        policy: knows which objects a snapshot has.
        snapshot_uri: of the run's own snapshot.
        model: the champion.
        bucket: takes `<pipeline>/decided/<hash of the rows>/`.

    Returns:
        The copy's URI; None when the snapshot has gone, as it was decided on late.
    """
    store = ObjectStore()
    folder = f"s3://{bucket}/{policy.pipeline}/decided/{model.data_sha256}"
    try:
        copies = {uri: f"{folder}/{uri.rpartition('/')[2]}" for uri in policy.objects(snapshot_uri)}
        for uri, to in copies.items():
            store.copy(uri, to)
    except ObjectMissing as error:
        _logger.warning("the snapshot of run %s is not kept: %s", model.mlflow_run_id, error)
        return None
    return copies[snapshot_uri]


def _return_to(version: int, reason: str, shown: registry.Registry, champion: Model | None) -> Decision:
    former = shown.model(version)
    if former == champion:
        raise InvalidInput(f"version {version} is the champion already", Code.STATE_CONFLICT)
    return Decision("rolled_back", reason, challenger=former, champion=champion)


def _is_return_to(former: Model, reason: str, recorded: Recorded, champion: Model | None) -> bool:
    """Returns whether a decision is this return; one that a later decision took away again is not."""
    return (recorded.outcome, recorded.reason, recorded.challenger, champion) == (
        "rolled_back",
        reason,
        former,
        former,
    )


def _is_verdict_on(challenger: Model, recorded: Recorded) -> bool:
    return recorded.outcome != "rolled_back" and recorded.challenger == challenger
