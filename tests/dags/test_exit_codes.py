"""The exit codes that Airflow goes by are those of the steps."""

from __future__ import annotations

import exit_codes

from stepkit import exit_codes as of_steps


def test_airflow_and_the_steps_mean_the_same_by_an_exit_code() -> None:
    assert exit_codes.BUG == of_steps.BUG
    assert exit_codes.INVALID_INPUT == of_steps.INVALID_INPUT
    assert exit_codes.NOTHING_TO_DO == of_steps.NOTHING_TO_DO
