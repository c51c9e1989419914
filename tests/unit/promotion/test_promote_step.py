"""What a promotion decides and shows, in which order, with what a decision is founded on; no server asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from stepkit import documents
from stepkit.errors import Code, InvalidInput
from stepkit.promotion import promote_step
from stepkit.promotion.comparison import Comparison, Thresholds
from stepkit.promotion.decisions import Decision, LockLost, Model, Recorded
from stepkit.promotion.metrics import Accuracy
from stepkit.promotion.policy import Policy
from stepkit.promotion.promote_step import Promoted, promote
from stepkit.promotion.scoring import Evaluation
from stepkit.s3 import ObjectMissing
from stepkit.settings import Run, Settings

OLD = Model("svc", "run of old", "digest of old", "rows of old")
NEW = Model("forest", "run of new", "digest of new", "rows of new")
OTHER = Model("logistic", "run of other", "digest of other", "rows of other")
SETTINGS = Settings(run=Run("training", "run 7"))
THRESHOLDS = Thresholds(0.5, 0.01)
EVALUATION = Evaluation(
    snapshot_uri="s3://b/toy/s.parquet",
    parameters_sha256="parameters",
    test_rows=10,
    challenger=NEW,
    champion=OLD,
    thresholds=THRESHOLDS,
    metrics={"challenger": {"accuracy": 0.9}},
    comparison=Comparison(0.1, 0.05, 0.2),
    verdict="promote",
    reason="it gains",
    compared_rows=10,
)
POLICY = Policy(
    "toy",
    "toys",
    Accuracy(),
    lambda labels, answers: {},
    lambda uri, folder, sha256: pytest.fail("no rows are read"),
    objects=lambda uri: [uri, f"{uri}.more"],
)
KEPT = "s3://bucket/toy/decided/rows of new/"


@dataclass
class World:
    """The record of decisions, the registry and the object store, with what was asked of them."""

    now: Model | None = OLD
    former: Recorded | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    decided: list[Decision] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    versions: dict[int, Model] = field(default_factory=lambda: {1: OLD, 2: OTHER})
    lost: bool = False

    @contextmanager
    def exclusive(self, settings: Settings, schema: str) -> Iterator[World]:
        self.events.append(("lock", settings, schema))
        yield self

    def of(self, settings: Settings, bucket: str, pipeline: str) -> World:
        self.events.append(("registry", settings, bucket, pipeline))
        return self

    def champion(self) -> Model | None:
        return self.now

    def of_this_run(self) -> Recorded | None:
        return self.former

    def record(self, decision: Decision) -> Recorded:
        self.decided.append(decision)
        if decision.outcome != "refused":
            self.now = decision.challenger
        return Recorded(31, decision.outcome, decision.reason, decision.challenger)

    def confirm_lock(self) -> None:
        if self.lost:
            self.lost = False
            raise LockLost("the lock was lost")

    def show(self, champion: Model | None, fence: Callable[[], None]) -> int | None:
        self.events.append(("show", champion))
        fence()
        return 4 if champion else None

    def model(self, version: int) -> Model:
        return self.versions[version]

    def get(self, uri: str) -> bytes:
        return self.objects[uri]

    def put(self, uri: str, body: bytes, content_type: str) -> None:
        self.objects[uri] = body

    def copy(self, uri: str, to: str) -> None:
        if uri not in self.objects:
            raise ObjectMissing(f"{uri} is gone")
        self.objects[to] = self.objects[uri]

    @property
    def shown(self) -> list[Model | None]:
        return [event[1] for event in self.events if event[0] == "show"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    made.objects = {EVALUATION.snapshot_uri: b"rows", f"{EVALUATION.snapshot_uri}.more": b"more"}
    monkeypatch.setattr(promote_step, "exclusive", made.exclusive)
    monkeypatch.setattr(promote_step.registry, "of", made.of)
    for module in (promote_step, documents):
        monkeypatch.setattr(module, "ObjectStore", lambda: made)
    monkeypatch.setattr(promote_step, "score", lambda *given: pytest.fail("it is judged already"))
    return made


def run(world: World, evaluation: Evaluation | None = EVALUATION, **options: Any) -> Promoted:
    given: dict[str, Any] = {"evaluation_uri": None, "rollback_to": None, "reason": None, **options}
    if evaluation is not None:
        given["evaluation_uri"] = documents.write("s3://b", "e", evaluation.to_json().encode())
    return promote(SETTINGS, POLICY, bucket="bucket", **given)


def refusal(world: World, evaluation: Evaluation | None = EVALUATION, **options: Any) -> tuple[Code, str]:
    with pytest.raises(InvalidInput) as refused:
        run(world, evaluation, **options)
    return refused.value.code, str(refused.value)


def test_a_better_challenger_is_recorded_and_then_shown(world: World) -> None:
    assert run(world) == Promoted("promoted", "it gains", "forest", 4, 31)
    assert world.decided == [
        Decision(
            outcome="promoted",
            reason="it gains",
            challenger=NEW,
            champion=OLD,
            metrics=EVALUATION.metrics,
            comparison=EVALUATION.comparison,
            parameters_sha256="parameters",
            snapshot_uri=f"{KEPT}s.parquet",
        )
    ]
    assert world.objects[f"{KEPT}s.parquet"] == b"rows"
    assert world.objects[f"{KEPT}s.parquet.more"] == b"more"
    assert world.events == [
        ("registry", SETTINGS, "bucket", "toy"),
        ("lock", SETTINGS, "toys"),
        ("show", OLD),
        ("lock", SETTINGS, "toys"),
        ("show", NEW),
    ]


def test_a_refused_challenger_is_recorded_and_the_champion_stays(world: World) -> None:
    refused = replace(EVALUATION, verdict="refuse", reason="no gain")
    assert run(world, refused) == Promoted("refused", "no gain", "svc", 4, 31)
    assert [(each.outcome, each.snapshot_uri) for each in world.decided] == [
        ("refused", EVALUATION.snapshot_uri)
    ]
    assert world.shown == [OLD, OLD]
    assert not [name for name in world.objects if "decided" in name]


def test_a_first_refusal_leaves_no_champion(world: World) -> None:
    world.now = None
    refused = replace(EVALUATION, champion=None, verdict="refuse", reason="no gain")
    assert run(world, refused) == Promoted("refused", "no gain", None, None, 31)


def test_a_snapshot_that_is_gone_is_not_kept(world: World, caplog: pytest.LogCaptureFixture) -> None:
    del world.objects[f"{EVALUATION.snapshot_uri}.more"]
    assert run(world).verdict == "promoted"
    assert world.decided[0].snapshot_uri is None
    assert "the snapshot of run run of new is not kept: s3://b/toy/s.parquet.more is gone" in caplog.text


def test_a_champion_of_later_than_the_evaluation_is_met_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    met = []

    def score(*given: Any) -> Evaluation:
        met.append(given)
        return replace(EVALUATION, champion=OTHER, verdict="refuse", reason="not any more")

    monkeypatch.setattr(promote_step, "score", score)
    caplog.set_level(logging.INFO)
    world.now = OTHER
    assert run(world) == Promoted("refused", "not any more", "logistic", 4, 31)
    assert met == [(SETTINGS, POLICY, NEW, OTHER, EVALUATION.snapshot_uri, THRESHOLDS)]
    assert world.decided[0].champion == OTHER
    assert "decision 31: refused: not any more" in caplog.text


def test_a_retry_stays_with_what_its_run_has_decided(world: World) -> None:
    world.now, world.former = NEW, Recorded(8, "promoted", "it gained", NEW)
    assert run(world) == Promoted("promoted", "it gained", "forest", 4, 8)
    assert (world.decided, world.shown) == ([], [NEW, NEW])


@pytest.mark.parametrize(
    "former", [Recorded(8, "promoted", "why", OTHER), Recorded(8, "rolled_back", "why", NEW)]
)
def test_a_run_does_not_decide_twice(world: World, former: Recorded) -> None:
    world.former = former
    assert refusal(world) == (
        Code.STATE_CONFLICT,
        f"--run-id (RUN_ID) run 7 stands for decision 8, {former.outcome}: 'why'; use another --run-id for"
        " another decision",
    )
    assert world.decided == []


def test_an_older_version_may_be_made_champion(world: World) -> None:
    found = run(world, None, rollback_to=2, reason="it was better")
    assert found == Promoted("rolled_back", "it was better", "logistic", 4, 31)
    assert world.decided == [Decision("rolled_back", "it was better", OTHER, OLD)]
    assert world.shown == [OLD, OTHER]


def test_the_champion_is_no_older_version(world: World) -> None:
    found = refusal(world, None, rollback_to=1, reason="why")
    assert found == (Code.STATE_CONFLICT, "version 1 is the champion already")
    assert world.decided == []


def test_a_retry_of_a_return_stays_with_it(world: World) -> None:
    world.now, world.former = OTHER, Recorded(8, "rolled_back", "why", OTHER)
    found = run(world, None, rollback_to=2, reason="why")
    assert found == Promoted("rolled_back", "why", "logistic", 4, 8)
    assert world.decided == []


@pytest.mark.parametrize(
    ("former", "now", "reason"),
    [
        (Recorded(8, "rolled_back", "why", OTHER), OTHER, "another reason"),
        (Recorded(8, "rolled_back", "why", OLD), OTHER, "why"),
        (Recorded(8, "rolled_back", "why", OTHER), OLD, "why"),
        (Recorded(8, "promoted", "why", OTHER), OTHER, "why"),
    ],
)
def test_a_return_that_is_another_is_refused(world: World, former: Recorded, now: Model, reason: str) -> None:
    world.now, world.former = now, former
    assert refusal(world, None, rollback_to=2, reason=reason)[0] == Code.STATE_CONFLICT


@pytest.mark.parametrize(
    ("evaluation", "options", "sentence"),
    [
        (None, {}, "give either --evaluation-uri (EVALUATION_URI) or --rollback-to (ROLLBACK_TO)"),
        (
            EVALUATION,
            {"rollback_to": 2, "reason": "why"},
            "give either --evaluation-uri (EVALUATION_URI) or --rollback-to (ROLLBACK_TO)",
        ),
        (
            None,
            {"rollback_to": 2, "reason": ""},
            "--reason (REASON) is required with --rollback-to: say why, in a sentence",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    world: World, evaluation: Evaluation | None, options: dict[str, Any], sentence: str
) -> None:
    assert refusal(world, evaluation, **options) == (Code.INVALID_SETTING, sentence)
    assert world.events == []


def test_a_lost_lock_is_an_outage_after_which_the_record_is_shown(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.lost = True
    with pytest.raises(LockLost):
        run(world)
    assert world.shown == [OLD, OLD]
    assert world.events[-2] == ("lock", SETTINGS, "toys")
    assert "the promotion's lock was lost" in caplog.text
