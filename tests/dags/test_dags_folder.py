"""Each pipeline's folder of DAG files as a whole, as Airflow reads it."""

from __future__ import annotations

from airflow.dag_processing.dagbag import DagBag

from quintet.pipelines import Pipeline

BY_HAND = {("forest", "batch-predict")}
"""Steps of no DAG: `quintet step` runs them."""


def test_its_dag_files_make_the_dags_that_it_names_for_its_owner_out_of_its_own_steps(
    pipeline: Pipeline,
) -> None:
    bag = DagBag(dag_folder=str(pipeline.folder / "dags"))
    assert bag.import_errors == {}
    assert bag.dags.keys() == pipeline.dags.keys()
    assert {dag.owner for dag in bag.dags.values()} == {pipeline.given["owner"]}
    made = [
        task.partial_kwargs if task.is_mapped else vars(task)
        for dag in bag.dags.values()
        for task in dag.tasks
    ]
    steps = {(pipeline.name, step) for step in pipeline.steps}
    assert {(task["pipeline"], task["step"]) for task in made} == steps - BY_HAND
