"""What a failed step leaves behind of its pod, and pods that are given up before the start time-out."""

from __future__ import annotations

import json
import time

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from pod_report import REPORT_KEY, PodReport

from tests.dags.apiserver import Cluster, Ending
from tests.dags.test_step_operator import Try

STARTUP_SECONDS = 300
"""How long a pod may take to start, unless it is plain that it never will."""
NOT_FOUND = 'failed to pull and unpack image "registry.test/x:1": not found'


def fails(cluster: Cluster, ending: Ending, kind: type[Exception], sentence: str) -> PodReport:
    """Run a step to its failure and return the report that it left."""
    cluster.ending = lambda pod: ending
    attempt = Try()
    with pytest.raises(AirflowException, match=sentence) as caught:
        attempt.run()
    assert type(caught.value) is kind
    assert cluster.pods == {}
    # Through JSON, as Airflow keeps it.
    return PodReport.from_fields(json.loads(json.dumps(attempt.context["ti"].xcoms["extract", REPORT_KEY])))


@pytest.mark.parametrize(
    ("reason", "message", "kind"),
    [
        ("CreateContainerConfigError", 'secret "licence" not found', AirflowFailException),
        ("CreateContainerConfigError", "couldn't find key key in Secret tasks/licence", AirflowFailException),
        ("ErrImagePull", NOT_FOUND, AirflowFailException),
        ("InvalidImageName", "couldn't parse image name", AirflowFailException),
        ("ErrImagePull", "dial tcp: lookup registry.test: no such host", AirflowException),
    ],
)
def test_pod_that_cannot_start_is_given_up_at_once(
    cluster: Cluster, reason: str, message: str, kind: type[Exception]
) -> None:
    began = time.monotonic()
    report = fails(cluster, Ending(waiting=(reason, message)), kind, reason)
    assert time.monotonic() - began < STARTUP_SECONDS
    assert (report.waiting, report.waiting_message, report.exit_code) == (reason, message, None)


def test_report_holds_what_the_step_said_and_what_it_was_given(cluster: Cluster) -> None:
    said = '{"message": "Row 7 has 12 fields.", "exit_code": 2}'
    report = fails(
        cluster,
        Ending(exit_code=2, message=said, reason="Error"),
        AirflowFailException,
        "Row 7 has",
    )
    assert (report.exit_code, report.ended, report.said) == (2, "Error", said)
    assert report.image == "registry.test/quintet/forest-extract:1"
    assert report.memory_limit == "512Mi"


PROXIES = ["linkerd-proxy", "istio-proxy"]


@pytest.mark.parametrize("proxy", PROXIES)
def test_report_is_of_the_step_and_not_of_a_proxy_beside_it(cluster: Cluster, proxy: str) -> None:
    ending = Ending(exit_code=137, message="", reason="OOMKilled", proxy=proxy)
    report = fails(cluster, ending, AirflowException, "OOMKilled")
    assert (report.image, report.memory_limit) == ("registry.test/quintet/forest-extract:1", "512Mi")
    assert (report.exit_code, report.ended) == (137, "OOMKilled")


def test_a_killed_step_beside_a_proxy_is_not_waited_for_without_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("step_operator.REASON_SECONDS", 0.5)
    report = fails(
        cluster,
        Ending(exit_code=137, message="", reason="Error", proxy=PROXIES[0]),
        AirflowException,
        "Error",
    )
    assert (report.exit_code, report.ended, report.reason) == (137, "Error", "")


def test_killed_step_is_waited_for_until_kubernetes_says_why(cluster: Cluster) -> None:
    ending = Ending(exit_code=137, message="", reason="Error", phase_lag=1, evicted="The node is full.")
    report = fails(cluster, ending, AirflowException, "Evicted: The node is full")
    assert (report.reason, report.message) == ("Evicted", "The node is full.")


def test_skip_stays_a_skip_when_no_report_can_be_left(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.ending = lambda pod: Ending(exit_code=99, message='{"message": "No new rows."}')
    attempt = Try()

    def refuse(key: str, value: object) -> None:
        if key == REPORT_KEY:
            raise ConnectionError("Airflow does not answer")

    monkeypatch.setattr(attempt.context["ti"], "xcom_push", refuse)
    with pytest.raises(AirflowSkipException, match="No new rows"):
        attempt.run()
