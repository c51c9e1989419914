"""What Airflow makes of a step's end: the real operator, trigger and clients against a cluster over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred
from pods import step
from step_operator import StepOperator

from tests.dags.apiserver import Cluster, Ending

RESULT = {"raw_uri": "s3://data/forest/raw/r/data.json", "rows": 5810}


@dataclass
class TaskInstance:
    """The part of Airflow's task instance that an operator touches."""

    task_id: str
    dag_id: str = "chain"
    map_index: int = -1
    try_number: int = 1
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: list[str], key: str) -> list[Any]:
        return [self.xcoms.get((task_id, key)) for task_id in task_ids]


class StateStore(dict[str, Any]):
    """What a task keeps over its tries."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


@dataclass
class Try:
    """One try of the first task of a DAG; `task` is made again each time, as in a new process."""

    inline_wait: float = 15.0
    try_number: int = 1
    store: StateStore = field(default_factory=StateStore)
    deferrals: int = 0
    returns: str | None = None

    def __post_init__(self) -> None:
        with DAG("chain", schedule=None) as dag:
            self.task = step(
                "forest",
                "extract",
                arguments={"bucket": ""},
                inline_wait=self.inline_wait,
                returns=self.returns,
            )
        assert isinstance(self.task, StepOperator)
        self.task.env_vars = []
        ti = TaskInstance("extract", try_number=self.try_number)
        self.context: Any = {"ti": ti, "run_id": "r", "dag": dag, "task_state_store": self.store}

    def run(self, on_event: Any = lambda: None) -> Any:
        try:
            return self.task.execute(self.context)
        except TaskDeferred as deferred:
            self.deferrals += 1
            event = asyncio.run(anext(deferred.trigger.run()))
            on_event()
            return self.task.trigger_reentry(self.context, event.payload)


def ends(cluster: Cluster, **how: Any) -> None:
    cluster.ending = lambda pod: Ending(**how)


def test_short_step_returns_its_result_without_deferring(cluster: Cluster) -> None:
    ends(cluster, message=json.dumps(RESULT), after=0.3)
    attempt = Try()
    assert attempt.run() == RESULT
    assert attempt.deferrals == 0
    assert attempt.task.do_xcom_push
    assert cluster.pods == {}


def test_long_step_defers_and_returns_its_result(cluster: Cluster) -> None:
    ends(cluster, message=json.dumps(RESULT), after=0.5)
    attempt = Try(inline_wait=0)
    assert attempt.run() == RESULT
    assert attempt.deferrals == 1
    assert attempt.task.do_xcom_push
    assert cluster.pods == {}


def test_step_ends_with_its_container_however_late_the_phase_is(cluster: Cluster) -> None:
    late = 60
    ends(cluster, message=json.dumps(RESULT), phase_lag=late)
    began = time.monotonic()
    assert Try().run() == RESULT
    assert time.monotonic() - began < late


@pytest.mark.parametrize("inline_wait", [15, 0], ids=["inline", "deferred"])
@pytest.mark.parametrize(
    ("exit_code", "message", "kind", "sentence"),
    [
        (99, '{"message": "No new rows in batch 4."}', AirflowSkipException, "No new rows in batch 4."),
        (
            2,
            '{"message": "Row 7 has 12 fields.", "exit_code": 2}',
            AirflowFailException,
            "Row 7 has 12 fields.",
        ),
        (1, '{"message": "KeyError: 4", "exit_code": 1}', AirflowFailException, "KeyError: 4"),
        (1, "", AirflowFailException, "exit code 1"),
        (75, '{"message": "S3 is down.", "exit_code": 75}', AirflowException, "S3 is down."),
        (137, "", AirflowException, "OOMKilled"),
    ],
)
def test_exit_code_decides_between_skip_failure_and_retry(
    cluster: Cluster, inline_wait: float, exit_code: int, message: str, kind: type[Exception], sentence: str
) -> None:
    reason = "OOMKilled" if exit_code == 137 else "Error"
    ends(cluster, exit_code=exit_code, message=message, after=0.2, reason=reason)
    with pytest.raises(AirflowException, match=sentence) as caught:
        Try(inline_wait=inline_wait).run()
    assert type(caught.value) is kind
    assert cluster.pods == {}


def test_pod_that_the_cluster_took_away_is_retried(cluster: Cluster) -> None:
    ends(cluster, exit_code=None, message="The node was low on memory.", reason="Evicted")
    with pytest.raises(AirflowException, match="low on memory") as caught:
        Try().run()
    assert type(caught.value) is AirflowException


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (json.dumps({"rows": "x" * 5000}), "longer than 4095 bytes"),
        ("42", "not a JSON object"),
        ("", "not a JSON object"),
    ],
    ids=["cut", "number", "nothing"],
)
def test_success_without_a_usable_result_fails_and_leaves_no_pod(
    cluster: Cluster, message: str, sentence: str
) -> None:
    ends(cluster, message=message)
    with pytest.raises(AirflowFailException, match=sentence):
        Try().run()
    assert cluster.pods == {}


def test_success_whose_pod_is_gone_before_its_result_was_read_is_retried(cluster: Cluster) -> None:
    ends(cluster, message=json.dumps(RESULT), after=0.2)
    with pytest.raises(AirflowException, match="before its result was read") as caught:
        Try(inline_wait=0).run(on_event=cluster.pods.clear)
    assert type(caught.value) is AirflowException


def killed_try(cluster: Cluster, store: StateStore) -> None:
    """A try whose worker was killed right after it had made its pod."""
    attempt = Try(store=store)
    attempt.task.get_or_create_pod(attempt.task.build_pod_request_obj(attempt.context), attempt.context)


@pytest.mark.parametrize("after", [0.0, 1.0], ids=["ended", "running"])
def test_retry_takes_the_pod_that_a_killed_worker_left(cluster: Cluster, after: float) -> None:
    ends(cluster, message=json.dumps(RESULT), after=after)
    store = StateStore()
    killed_try(cluster, store)
    assert Try(store=store, try_number=2).run() == RESULT
    assert len(cluster.requested) == 1
    assert cluster.pods == {}


@pytest.mark.parametrize("inline_wait", [15, 0], ids=["inline", "deferred"])
def test_step_ends_beside_a_proxy_that_runs_on(cluster: Cluster, inline_wait: float) -> None:
    ends(cluster, message=json.dumps(RESULT), after=0.2, proxy="linkerd-proxy")
    assert Try(inline_wait=inline_wait).run() == RESULT
    assert cluster.pods == {}


@pytest.mark.parametrize("proxy", [None, "linkerd-proxy"])
def test_retry_starts_afresh_after_a_pod_that_failed(cluster: Cluster, proxy: str | None) -> None:
    ends(cluster, exit_code=75, message="", proxy=proxy)
    store = StateStore()
    killed_try(cluster, store)
    ends(cluster, message=json.dumps(RESULT))
    assert Try(store=store, try_number=2).run() == RESULT
    assert len(cluster.requested) == 2


def test_run_keeps_the_images_that_its_first_step_found(cluster: Cluster, step_files: Path) -> None:
    ends(cluster, message=json.dumps(RESULT))
    with DAG("chain", schedule=None) as dag:
        first, second = step("forest", "extract"), step("forest", "load")
        first >> second
    xcoms: dict[tuple[str, str], Any] = {}
    for task, tag in ((first, "1"), (second, "2")):
        task.env_vars = []
        images = {f"forest-{name}": f"registry.test/forest-{name}:{tag}" for name in ("extract", "load")}
        others = {f"{name}-load": "registry.test/other:1" for name in ("crime", "forest-full")}
        (step_files / "images.json").write_text(json.dumps({**images, **others}))
        ti = TaskInstance(task.task_id, xcoms=xcoms)
        task.execute({"ti": ti, "run_id": "r", "dag": dag, "task_state_store": StateStore()})
    used = [pod["spec"]["containers"][0]["image"] for pod in cluster.requested]
    assert used == ["registry.test/forest-extract:1", "registry.test/forest-load:1"]
    # Each run keeps the list, so it names what the run uses and nothing else.
    assert xcoms["extract", "images"] == dict(zip(("forest-extract", "forest-load"), used, strict=True))


def test_a_list_of_the_result_is_returned_and_the_rest_shared(cluster: Cluster) -> None:
    ends(cluster, message=json.dumps({"uri": "s3://data/m", "files": [{"index": 0}]}))
    first = Try(returns="files")
    assert first.run() == [{"index": 0}]
    assert first.context["ti"].xcoms["extract", "uri"] == "s3://data/m"


def test_a_result_without_the_list_is_refused(cluster: Cluster) -> None:
    ends(cluster, message=json.dumps({"uri": "s3://data/m"}))
    with pytest.raises(AirflowFailException, match=r"no list 'files' to map over: \['uri'\]"):
        Try(returns="files").run()
