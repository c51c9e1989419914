"""`quintet run-all` runs every DAG there is, and its table says what came of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from quintet.progress import UserError
from quintet.run_all import INGESTION, TRAINING, Outcome, show

DAGS = Path(__file__).resolve().parents[3] / "dags"


def task(task_id: str, state: str, second: int, result: Any = None) -> dict[str, Any]:
    start, end = f"2026-01-01T00:00:{second:02}Z", f"2026-01-01T00:00:{second + 2:02}Z"
    return {"task_id": task_id, "state": state, "start_date": start, "end_date": end, "result": result}


def test_every_dag_is_run() -> None:
    files = "".join(path.read_text() for path in DAGS.glob("*.py"))
    assert sorted((*INGESTION, *TRAINING)) == sorted(re.findall(r'dag_id="(\w+)"', files))


def test_a_line_counts_steps_seconds_rows_and_says_what_became_of_the_model() -> None:
    promoted = {"verdict": "promoted", "version": 3, "decision_id": 4, "reason": "it is better"}
    tasks = [
        task("load", "success", 0, {"rows_new": 1200, "rows_read": 1500}),
        task("export", "skipped", 2),
        task("promote", "success", 4, promoted),
    ]
    line = re.sub(" +", " ", Outcome("etl_with_taskflow", "success", tasks).line())
    assert line == (
        "etl_with_taskflow success 2 success, 1 skipped 6.0 1,200 new of 1,500"
        " promoted, version 3 serves: it is better"
    )


def test_the_table_ends_in_the_names_of_those_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="bitcoin_data_ingestion failed"):
        show([Outcome("modelo_penguin", "success", []), Outcome("bitcoin_data_ingestion", "failed", [])])
    assert "modelo_penguin" in capsys.readouterr().out
