"""Causes from pods and events as a cluster gave them when the failures were made on purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient

from dags.pod_report import PodReport
from quintet.diagnosis import Kind, cause_of
from quintet.diagnosis.evidence import Evidence, Said
from quintet.diagnosis.explanation import facts
from stepkit.errors import Code

PODS = Path(__file__).with_name("pods")


def report(name: str, **changes: Any) -> PodReport:
    """What a recorded pod says of itself; `changes` replace fields of its status."""
    recorded = json.loads((PODS / f"{name}.json").read_text())
    recorded["pod"]["status"] |= changes
    pod, events = (
        ApiClient().deserialize(SimpleNamespace(data=json.dumps(recorded[key])), kind)
        for key, kind in (("pod", "V1Pod"), ("events", "list[CoreV1Event]"))
    )
    return PodReport.of(pod, events)


def failed(pod: PodReport | None = None, **fields: Any) -> Evidence:
    known = {"exit_code": pod.exit_code} if pod else {}
    return Evidence(**{"task": "extract", "state": "failed", "seconds": 60.0, "pod": pod, **known, **fields})


@pytest.mark.parametrize(
    ("recorded", "kind", "facts"),
    [
        ("image-missing", Kind.IMAGE_MISSING, ["quintet/forest-extract:no-such-tag"]),
        ("image-missing-again", Kind.IMAGE_MISSING, ["quintet/forest-extract:no-such-tag"]),
        ("missing-secret", Kind.SECRET_MISSING, ["secret no-such-secret"]),
        ("unschedulable", Kind.UNSCHEDULABLE, ["0/1 nodes are available: 1 Insufficient memory."]),
        ("start-timeout", Kind.START_TIMEOUT, ["FailedMount", 'configmap "no-such-config-map" not found']),
        ("oom-kill", Kind.OUT_OF_MEMORY, ["limit of 40Mi"]),
        ("disk-limit", Kind.DISK_FULL, ["ephemeral local storage usage exceeds"]),
        ("time-limit", Kind.DEADLINE, ["longer than its time limit"]),
    ],
)
def test_cause_of_a_recorded_pod(recorded: str, kind: Kind, facts: list[str]) -> None:
    cause = cause_of(failed(report(recorded)))
    assert (cause.kind, cause.certain) == (kind, True)
    assert [fact for fact in facts if fact not in cause.sentence] == []


def test_a_proxy_before_the_step_is_not_taken_for_it() -> None:
    recorded = json.loads((PODS / "oom-kill.json").read_text())["pod"]
    limits = {"limits": {"memory": "250Mi"}}
    recorded["spec"]["containers"].insert(0, {"name": "proxy", "image": "mesh/proxy:1", "resources": limits})
    running = {**recorded["status"]["containerStatuses"][0], "name": "proxy", "state": {"running": {}}}
    recorded["status"]["containerStatuses"].insert(0, running)
    pod = ApiClient().deserialize(SimpleNamespace(data=json.dumps(recorded)), "V1Pod")
    found = PodReport.of(pod)
    assert (found.image, found.exit_code) == ("localhost:5001/quintet/forest-extract:bb870040b4a7", 137)
    assert "limit of 40Mi" in cause_of(failed(found)).sentence


@pytest.mark.parametrize(
    ("recorded", "never"),
    [
        ("image-missing", True),
        ("image-missing-again", True),
        ("missing-secret", True),
        ("unschedulable", False),
        ("start-timeout", False),
    ],
)
def test_only_what_nobody_is_about_to_make_is_given_up_early(recorded: str, never: bool) -> None:
    assert report(recorded).will_never_start is never


@pytest.mark.parametrize("recorded", sorted(path.stem for path in PODS.iterdir()))
def test_report_comes_back_from_json_as_it_was(recorded: str) -> None:
    before = report(recorded)
    assert PodReport.from_fields(json.loads(json.dumps(before.fields()))) == before
    assert len(json.dumps(before.fields())) < 8000


@pytest.mark.parametrize(
    ("message", "sentence", "certain"),
    [
        ("unexpected status from HEAD request: 401 Unauthorized", "The registry refuses", True),
        ("dial tcp: lookup registry.example.com: no such host", "The registry does not give", False),
    ],
)
def test_a_registry_that_is_the_trouble_is_told_from_a_missing_image(
    message: str, sentence: str, certain: bool
) -> None:
    status = {
        **json.loads((PODS / "image-missing.json").read_text())["pod"]["status"]["containerStatuses"][0],
        "state": {"waiting": {"reason": "ErrImagePull", "message": message}},
    }
    pod = report("image-missing", containerStatuses=[status])
    cause = cause_of(failed(pod))
    assert (cause.kind, cause.certain) == (Kind.IMAGE_MISSING, certain)
    assert cause.sentence.startswith(sentence)
    assert not pod.will_never_start


@pytest.mark.parametrize(
    ("deleted", "kind", "certain"), [(False, Kind.OUT_OF_MEMORY, False), (True, Kind.STOPPED, True)]
)
def test_a_killed_container_whose_pod_nobody_deleted_has_likely_used_too_much_memory(
    deleted: bool, kind: Kind, certain: bool
) -> None:
    cause = cause_of(failed(replace(report("oom-kill"), ended="Error", deleted=deleted)))
    assert (cause.kind, cause.certain) == (kind, certain)


def test_a_pod_that_a_node_drops_is_an_eviction() -> None:
    drained = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    cause = cause_of(failed(report("oom-kill", conditions=[drained])))
    assert cause.kind == Kind.EVICTED
    assert "EvictionByEvictionAPI" in cause.sentence
    low = report("disk-limit", message="The node was low on resource: memory.")
    assert cause_of(failed(low)).kind == Kind.EVICTED


def test_a_pod_that_has_just_been_made_is_at_work() -> None:
    pod = report("start-timeout")
    assert cause_of(failed(pod, state="running", seconds=3.0)).kind == Kind.AT_WORK
    assert cause_of(failed(pod, state="deferred", seconds=45.0)).kind == Kind.START_TIMEOUT


QUOTA = (
    'ApiException: (403)\nReason: Forbidden\nHTTP response body: {"kind":"Status","message":"pods'
    ' \\"forest-extract-1\\" is forbidden: exceeded quota: steps, requested: pods=1, used: pods=20, limited:'
    ' pods=20","reason":"Forbidden"}'
)
SECURITY = (
    'ApiException: (403)\nReason: Forbidden\nHTTP response body: {"message":"pods \\"forest-extract-1\\" is'
    ' forbidden: violates PodSecurity \\"restricted:latest\\""}'
)


@pytest.mark.parametrize(
    ("exception", "kind", "fact"),
    [
        (QUOTA, Kind.QUOTA_EXCEEDED, "steps, requested: pods=1, used: pods=20, limited: pods=20"),
        (SECURITY, Kind.POD_REFUSED, "refuses to make its pod"),
        (
            "AirflowFailException: No image for forest-harvest: the list of step images holds []",
            Kind.IMAGE_MISSING,
            "has no forest-harvest",
        ),
        (
            "AirflowException: The step's pod was deleted before its result was read",
            Kind.POD_GONE,
            "deleted its pod",
        ),
        ("AirflowTaskTimeout: Timeout, PID: 12", Kind.DEADLINE, "longer than its time limit"),
        ("UndefinedError: 'None' has no attribute 'raw_uri'", Kind.CODE_EXCEPTION, "has no attribute"),
    ],
)
def test_what_airflow_met_before_the_step_is_told(exception: str, kind: Kind, fact: str) -> None:
    cause = cause_of(failed(exception=exception))
    assert cause.kind == kind
    assert fact in cause.sentence


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Kind.TAKEN_FOR_KILLED),
        ({"state": "up_for_retry"}, Kind.TAKEN_FOR_KILLED),
        ({"state": "deferred"}, Kind.AT_WORK),
        ({"exception": "TypeError: 'None'"}, Kind.CODE_EXCEPTION),
        ({"log": ("Trigger fired event",)}, Kind.UNKNOWN),
    ],
)
def test_a_trigger_that_fired_too_early_is_told(changes: dict[str, Any], kind: Kind) -> None:
    log = ("Pausing task as DEFERRED. ", "Trigger fired event", "trigger completed")
    assert cause_of(failed(**{"log": log, **changes})).kind == kind


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"state": "queued", "paused": True, "behind": "manual-1"}, Kind.PAUSED),
        ({"state": "queued", "behind": "manual-1"}, Kind.WAITS_FOR_RUN),
        ({"state": "scheduled", "pool": "steps, whose 2 slots are taken"}, Kind.WAITS_FOR_POOL),
        ({"state": "upstream_failed"}, Kind.UPSTREAM_FAILED),
        ({"state": "skipped", "said": Said("no new rows")}, Kind.SKIPPED),
        (
            {"state": "", "import_error": "Traceback\nModuleNotFoundError: no pds\n"},
            Kind.IMPORT_ERROR,
        ),
        ({"state": "running"}, Kind.AT_WORK),
        ({"state": "failed"}, Kind.UNKNOWN),
    ],
)
def test_a_task_that_was_not_started_says_what_it_waits_for(fields: dict[str, Any], kind: Kind) -> None:
    assert cause_of(Evidence(task="extract", **fields)).kind == kind


@pytest.mark.parametrize(
    ("code", "service", "kind", "workload"),
    [
        (Code.ACCESS_REFUSED, "s3", Kind.ACCESS_REFUSED, ""),
        (Code.ACCESS_REFUSED, "data.example.com", Kind.ACCESS_REFUSED, ""),
        (Code.STORAGE_FULL, "s3", Kind.DISK_FULL, "minio"),
        (Code.STORAGE_FULL, "postgres", Kind.DISK_FULL, "postgres"),
        (Code.SERVICE_DOWN, "s3", Kind.S3_DOWN, "minio"),
        (Code.SERVICE_DOWN, "mlflow", Kind.MLFLOW_DOWN, "mlflow"),
        (Code.SERVICE_DOWN, "api-data.quintet.svc:8000", Kind.SOURCE_DOWN, "api-data"),
        (Code.SERVICE_DOWN, "api.example.com", Kind.SOURCE_DOWN, ""),
        (Code.SOURCE_CHANGING, "", Kind.SOURCE_CHANGING, ""),
        ("SOURCE_ON_HOLIDAY", "", Kind.SOURCE_DOWN, ""),
    ],
)
def test_a_service_that_is_up_but_of_no_use_is_told_from_one_that_is_down(
    code: str, service: str, kind: Kind, workload: str
) -> None:
    cause = cause_of(failed(exit_code=75, said=Said("It did not.", code, service=service)))
    assert (cause.kind, cause.service) == (kind, workload)


def test_each_code_of_a_refusal_has_a_cause_of_its_own_or_shares_that_of_the_schema() -> None:
    others = {Code.SERVICE_DOWN, Code.STORAGE_FULL, Code.SOURCE_CHANGING}
    others |= {Code.NOTHING_TO_DO, Code.TERMINATED, Code.BUG}
    codes = [code for code in Code if code not in others]
    kinds = {code: cause_of(failed(exit_code=2, said=Said("No.", code))).kind for code in codes}
    assert [code for code, kind in kinds.items() if kind == Kind.INVALID_INPUT] == [Code.INVALID_INPUT]
    assert kinds[Code.INVALID_ROW] == kinds[Code.SCHEMA_CHANGED] == Kind.FIELDS_CHANGED


def test_a_code_that_is_not_known_leaves_the_message_to_speak(capsys: pytest.CaptureFixture[str]) -> None:
    evidence = failed(exit_code=2, said=Said("It is Tuesday: try on Wednesday.", "TUESDAY", file="s3://d/x"))
    assert cause_of(evidence).kind == Kind.INVALID_INPUT
    assert ("said", "It is Tuesday: try on Wednesday.") in list(facts(evidence))
    assert "s3://d/x" in cause_of(evidence).sentence


def test_an_ending_of_a_newer_step_is_read_without_the_fields_that_are_not_known() -> None:
    said = Said.of(
        '{"code": "INVALID_ROW", "message": "No.", "exit_code": 2, "row": 4, "weekday": "Tuesday"}'
    )
    assert said == Said("No.", "INVALID_ROW", row=4)
    assert Said.of("Killed") == Said("Killed")
