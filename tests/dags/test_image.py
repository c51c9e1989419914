"""What the Airflow image adds to Airflow."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.dags.conftest import ROOT

OPERATOR = "airflow.providers.cncf.kubernetes.operators.pod"


@pytest.mark.parametrize(
    ("component", "loaded"), [("scheduler", True), ("dag-processor", True), ("api-server", False)]
)
def test_operator_is_loaded_before_the_forks_and_only_where_there_are_forks(
    component: str, loaded: bool
) -> None:
    code = f"import airflow.settings, sys; sys.exit({OPERATOR!r} not in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "images" / "airflow")}
    ended = subprocess.run([sys.executable, "-c", code, component], env=environment, check=False)
    assert (ended.returncode == 0) is loaded
