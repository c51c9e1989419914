"""The folder of the DAGs as a whole, which the other tests read a file at a time."""

from __future__ import annotations

from airflow.dag_processing.dagbag import DagBag

from tests.dags.conftest import ROOT


def test_all_files_are_read_without_an_error_and_each_dag_is_in_the_one_named_after_its_owner() -> None:
    bag = DagBag(dag_folder=str(ROOT / "dags"))
    assert bag.import_errors == {}
    files = {dag_id: dag.fileloc for dag_id, dag in bag.dags.items()}
    assert len(files) == 9
    assert files == {dag_id: str(ROOT / f"dags/{dag.owner}.py") for dag_id, dag in bag.dags.items()}
