"""The record of promotions in Postgres: who is champion is what it says, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor

from stepkit import postgres
from stepkit.errors import POSTGRES, Code, DependencyUnavailable, NothingToDo
from stepkit.promotion.comparison import Comparison
from stepkit.settings import Settings

Outcome = Literal["promoted", "refused", "rolled_back"]


class LockLost(DependencyUnavailable):
    """The session that held the lock of a promotion has ended: another promotion may have decided since."""


@dataclass(frozen=True)
class Model:
    """A trained model: where it is, and the hashes that it is known by."""

    algorithm: str
    mlflow_run_id: str
    bundle_digest: str
    data_sha256: str


@dataclass(frozen=True)
class Decision:
    """One verdict, with what it was founded on."""

    outcome: Outcome
    reason: str
    challenger: Model
    champion: Model | None
    metrics: dict[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None
    parameters_sha256: str | None = None
    """Of the training that ends with this decision, if one does."""
    snapshot_uri: str | None = None
    """Where the rows are that it was founded on."""


@dataclass(frozen=True)
class Recorded:
    """What a run has decided, as the record has it."""

    decision_id: int
    outcome: Outcome
    reason: str
    challenger: Model


class Decisions:
    """The decisions on one model, in a pipeline's schema; its methods work in the caller's transaction."""

    def __init__(self, rows: cursor, settings: Settings, schema: str) -> None:
        self._rows = rows
        self._decisions = sql.Identifier(schema, "promotion_decisions")
        self._trainings = sql.Identifier(schema, "trainings")
        self._lock = sql.Identifier(schema, "promotion_lock")
        self._model = settings.model_name
        self._run = (settings.run.dag_id, settings.run.required_id)

    def champion(self) -> Model | None:
        """Returns the model that the newest promotion, or return to an older version, made champion."""
        found = self._first(
            sql.SQL(
                "SELECT challenger_algorithm, challenger_mlflow_run_id, challenger_digest, data_sha256"
                " FROM {} WHERE model_name = %s AND verdict <> 'refused' ORDER BY decision_id DESC LIMIT 1"
            ).format(self._decisions),
            [self._model],
        )
        return found and Model(*found)

    def of_this_run(self) -> Recorded | None:
        """Returns what a former try of this run has decided."""
        found = self._first(
            sql.SQL(
                "SELECT decision_id, verdict, reason, challenger_algorithm, challenger_mlflow_run_id,"
                " challenger_digest, data_sha256 FROM {}"
                " WHERE model_name = %s AND (dag_id, run_id) = (%s, %s)"
            ).format(self._decisions),
            [self._model, *self._run],
        )
        return found and Recorded(found[0], found[1], found[2], Model(*found[3:]))

    def record(self, decision: Decision) -> Recorded:
        """Writes a decision, and that its training has ended."""
        comparison, champion = decision.comparison, decision.champion
        if decision.parameters_sha256 is not None:
            self._rows.execute(
                sql.SQL(
                    "INSERT INTO {} (model_name, data_sha256, parameters_sha256, dag_id, run_id)"
                    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
                ).format(self._trainings),
                [self._model, decision.challenger.data_sha256, decision.parameters_sha256, *self._run],
            )
        values = {
            "model_name": self._model,
            "dag_id": self._run[0],
            "run_id": self._run[1],
            "verdict": decision.outcome,
            "reason": decision.reason,
            "challenger_algorithm": decision.challenger.algorithm,
            "challenger_mlflow_run_id": decision.challenger.mlflow_run_id,
            "challenger_digest": decision.challenger.bundle_digest,
            "champion_mlflow_run_id": champion and champion.mlflow_run_id,
            "champion_digest": champion and champion.bundle_digest,
            "data_sha256": decision.challenger.data_sha256,
            "metrics": json.dumps(decision.metrics),
            "gain": comparison and comparison.gain,
            "gain_low": comparison and comparison.low,
            "gain_high": comparison and comparison.high,
            "snapshot_uri": decision.snapshot_uri,
        }
        decision_id: int = self._first(
            sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING decision_id").format(
                self._decisions,
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            ),
            list(values.values()),
        )[0]
        return Recorded(decision_id, decision.outcome, decision.reason, decision.challenger)

    def lock(self) -> None:
        """Waits for the lock of the pipeline's promotions, and holds it until the transaction ends.

        It is a row that the role of promotion alone may lock: everybody in a database can hold an advisory
        lock of any name, and so keep all promotions waiting.

        Raises:
            DependencyUnavailable: the role is not promotion's, or the row is not there.
        """
        try:
            self._rows.execute(sql.SQL("SELECT FROM {} FOR UPDATE").format(self._lock))
            refusal = "" if self._rows.rowcount else "the row to lock is gone"
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.UndefinedTable) as error:
            refusal = " ".join(str(error).split())
        if refusal:
            # A step that began before an upgrade, or while it runs, finds all in order at its next try.
            raise DependencyUnavailable(
                f"Postgres lets this step promote nothing ({refusal}): it needs the pipeline's role of"
                " promotion, and tables of this release",
                Code.ACCESS_REFUSED,
                service=POSTGRES,
            )

    def confirm_lock(self) -> None:
        """Asks Postgres whether the session lives, and with it the lock that no other promotion gets.

        Raises:
            LockLost: it has ended.
        """
        try:
            self._rows.execute("SELECT 1")
        except psycopg2.Error as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise LockLost(
                f"Postgres ended the session that holds the promotion's lock: {reason}", service=POSTGRES
            ) from error

    def _first(self, statement: sql.Composed, values: Sequence[Any]) -> Any:
        self._rows.execute(statement, values)
        return self._rows.fetchone()


@contextmanager
def exclusive(settings: Settings, schema: str) -> Iterator[Decisions]:
    """Yields the decisions to one promotion at a time; the next waits until this one's block or process ends.

    The block is one transaction: what it records is written at its end, if the lock was held until then.

    Raises:
        DependencyUnavailable: Postgres does not answer, refuses the role, or another promotion takes longer
            than the lock's time-out.
    """
    with postgres.transaction(settings) as rows:
        decisions = Decisions(rows, settings, schema)
        decisions.lock()
        yield decisions


def refuse_repetition(
    settings: Settings, schema: str, data_sha256: str, parameters_sha256: str, source: str
) -> None:
    """Skips a training that another run has brought to its end with the same rows and parameters.

    Args:
        settings: the model and the run.
        schema: of the record.
        data_sha256: the hash of the rows.
        parameters_sha256: the hash of all else that decides what comes of them.
        source: what the rows are called in the sentence, such as a table.

    Raises:
        NothingToDo: there is one.
        DependencyUnavailable: Postgres does not answer.
    """
    this = settings.run
    statement = sql.SQL(
        "SELECT run_id FROM {} WHERE model_name = %s AND data_sha256 = %s AND parameters_sha256 = %s"
        " AND (dag_id, run_id) <> (%s, %s)"
    ).format(sql.Identifier(schema, "trainings"))
    with postgres.transaction(settings) as rows:
        values = [settings.model_name, data_sha256, parameters_sha256, this.dag_id, this.required_id]
        rows.execute(statement, values)
        before = rows.fetchone()
    if before is not None:
        raise NothingToDo(f"run {before[0]} has trained on these rows of {source} with these parameters")


def parameters_hash(parameters: dict[str, Any]) -> str:
    """Returns the sha256 of parameters, whatever their order."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
