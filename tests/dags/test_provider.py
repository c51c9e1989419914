"""The internals of the cncf.kubernetes provider on which step_operator.py stands.

They are not a public interface. When one of these fails after an upgrade, read the new source, then mend
step_operator.py or set the operator to `stock`.
"""

from __future__ import annotations

import inspect
from functools import cached_property
from importlib.metadata import version

import pytest
from airflow.providers.cncf.kubernetes.operators import pod as provider
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager, PodPhase
from airflow.sdk import exceptions
from step_operator import StepOperator, StepPodManager, StockStepOperator


def test_version_is_the_one_that_was_read() -> None:
    assert version("apache-airflow-providers-cncf-kubernetes") == "10.25.0"


@pytest.mark.parametrize(
    ("ours", "theirs", "method"),
    [
        (StockStepOperator, KubernetesPodOperator, "build_pod_request_obj"),
        (StepOperator, KubernetesPodOperator, "get_or_create_pod"),
        (StepOperator, KubernetesPodOperator, "_get_pod_from_task_state_store"),
        (StepOperator, KubernetesPodOperator, "invoke_defer_method"),
        (StepOperator, KubernetesPodOperator, "cleanup"),
        (StepOperator, KubernetesPodOperator, "trigger_reentry"),
        (StepOperator, KubernetesPodOperator, "execute"),
        (StepPodManager, PodManager, "read_pod"),
    ],
)
def test_overridden_method_takes_what_the_parent_takes(ours: type, theirs: type, method: str) -> None:
    assert method in vars(ours)
    parameters = [list(inspect.signature(getattr(owner, method)).parameters) for owner in (ours, theirs)]
    assert parameters[0] == parameters[1]


def test_pod_manager_is_a_cached_property_that_can_be_deleted() -> None:
    assert isinstance(vars(KubernetesPodOperator)["pod_manager"], cached_property)
    assert isinstance(vars(StepOperator)["pod_manager"], cached_property)
    assert "del self.pod_manager" in inspect.getsource(KubernetesPodOperator._refresh_cached_properties)


def test_both_ways_of_waiting_end_in_cleanup_with_the_pod_as_read_last() -> None:
    assert "self.cleanup(" in inspect.getsource(KubernetesPodOperator.post_complete_action)
    assert "self.post_complete_action(" in inspect.getsource(KubernetesPodOperator._clean)
    assert "self._clean(" in inspect.getsource(KubernetesPodOperator.trigger_reentry)
    assert "self.pod_manager.await_pod_completion(" in inspect.getsource(KubernetesPodOperator._clean)
    assert "self.read_pod(" in inspect.getsource(PodManager.await_pod_completion)


def test_pod_that_has_ended_is_not_deferred() -> None:
    source = inspect.getsource(KubernetesPodOperator.invoke_defer_method)
    assert "trigger.define_pod_container_state(self.pod)" in source
    assert "self.trigger_reentry(" in source
    assert "self.invoke_defer_method(context=context)" in inspect.getsource(
        KubernetesPodOperator.execute_async
    )


def test_pod_of_a_former_try_is_found_by_its_stored_identity() -> None:
    assert list(inspect.signature(KubernetesPodOperator._get_pod_from_task_state_store).parameters) == [
        "self",
        "context",
    ]
    assert provider.POD_IDENTIFIER_STATE_KEY == "pod_identifier"


def test_phases_and_exceptions_are_those_that_airflow_acts_on() -> None:
    assert PodPhase.terminal_states == {PodPhase.SUCCEEDED, PodPhase.FAILED}
    assert provider.AirflowException is exceptions.AirflowException
