"""The record of promotions in Postgres: who is champion is what it says, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from psycopg2.extensions import cursor

from forest.evaluation import Comparison
from stepkit import postgres
from stepkit.settings import Settings

Outcome = Literal["promoted", "refused", "rolled_back"]


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


@dataclass(frozen=True)
class Recorded:
    """What a run has decided, as the record has it."""

    decision_id: int
    outcome: Outcome
    reason: str
    challenger: Model


class Decisions:
    """The decisions on one model. Every method is a transaction of its own."""

    def __init__(self, rows: cursor, settings: Settings) -> None:
        self._rows = rows
        self._model = settings.model_name
        self._run = (settings.run.dag_id, settings.run.required_id)

    def champion(self) -> Model | None:
        """Gives the model that the newest promotion, or return to an older version, made champion."""
        found = self._first(
            "SELECT challenger_algorithm, challenger_mlflow_run_id, challenger_digest, data_sha256"
            " FROM forest.promotion_decisions WHERE model_name = %s AND verdict <> 'refused'"
            " ORDER BY decision_id DESC LIMIT 1",
            [self._model],
        )
        return found and Model(*found)

    def of_this_run(self) -> Recorded | None:
        """Gives what a former try of this run has decided."""
        found = self._first(
            "SELECT decision_id, verdict, reason, challenger_algorithm, challenger_mlflow_run_id,"
            " challenger_digest, data_sha256 FROM forest.promotion_decisions"
            " WHERE model_name = %s AND (dag_id, run_id) = (%s, %s)",
            [self._model, *self._run],
        )
        return found and Recorded(found[0], found[1], found[2], Model(*found[3:]))

    def record(self, decision: Decision) -> Recorded:
        """Writes a decision, and that its training has ended."""
        comparison, champion = decision.comparison, decision.champion
        if decision.parameters_sha256 is not None:
            self._rows.execute(
                "INSERT INTO forest.trainings (model_name, data_sha256, parameters_sha256, dag_id, run_id)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
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
        }
        decision_id: int = self._first(
            f"INSERT INTO forest.promotion_decisions ({', '.join(values)})"  # noqa: S608 (names from above)
            f" VALUES ({', '.join(['%s'] * len(values))}) RETURNING decision_id",
            list(values.values()),
        )[0]
        return Recorded(decision_id, decision.outcome, decision.reason, decision.challenger)

    def _first(self, statement: str, values: Sequence[Any]) -> Any:
        self._rows.execute(statement, values)
        found = self._rows.fetchone()
        self._rows.connection.commit()
        return found


@contextmanager
def exclusive(settings: Settings) -> Iterator[Decisions]:
    """Gives the decisions to one promotion at a time; the next waits until this one's block or process ends.

    Raises:
        OutsideDown: Postgres does not answer, or another promotion takes longer than the lock's time-out.
    """
    with postgres.transaction(settings) as rows:
        # Held by the session, not by a transaction: the alias in MLflow follows after the commit.
        rows.execute("SELECT pg_advisory_lock(hashtext(%s))", [f"promotion of {settings.model_name}"])
        rows.connection.commit()
        yield Decisions(rows, settings)
