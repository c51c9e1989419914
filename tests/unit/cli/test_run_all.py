"""`quintet run-all` runs every DAG there is, and its table says what came of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from quintet.local.state import State
from quintet.ops import land
from quintet.ops.run_all import Outcome, examples, show, waves_of
from quintet.pipelines import in_order, pipelines
from quintet.progress import UserError


def task(task_id: str, state: str, second: int, result: Any = None) -> dict[str, Any]:
    start, end = f"2026-01-01T00:00:{second:02}Z", f"2026-01-01T00:00:{second + 2:02}Z"
    return {"task_id": task_id, "state": state, "start_date": start, "end_date": end, "result": result}


def test_every_dag_is_run_after_those_that_it_learns_from() -> None:
    files = "".join(file.read_text() for pipeline in pipelines().values() for file in pipeline.dag_files)
    waves = in_order(pipelines().values())
    assert sorted(dag for wave in waves for dag in wave) == sorted(re.findall(r'dag_id="(\w+)"', files))
    assert {"forest_training_pipeline", "bitcoin_training_pipeline"} == set(waves[1])


def test_dags_that_a_release_leaves_out_are_not_run() -> None:
    known = ["forest_training_pipeline", "modelo_penguin", "one_of_another_team"]
    assert waves_of(known) == [["modelo_penguin"], ["forest_training_pipeline"]]


def test_the_example_workbooks_land_where_they_are_taken_in() -> None:
    folder = pipelines()["excel"].folder / "samples"
    assert {file.parent for file in examples(["modelo_penguin", "file_ingestion_from_excel"])} == {folder}
    assert examples(["modelo_penguin"]) == []


def test_workbooks_that_nobody_takes_in_do_not_land(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(land, "landing", lambda: None)
    (tmp_path / "prices.xlsx").touch()
    with pytest.raises(UserError, match=r"no s3\.prefixes of a pipeline\.yaml end in landing_zone/"):
        land.on_machine(State(tmp_path / "state"), [tmp_path / "prices.xlsx"])
    assert not (tmp_path / "state").exists()


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
