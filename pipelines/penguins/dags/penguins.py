"""Penguins: from the raw file to the published model, by hand only.

The numbers that people turn are Airflow variables named `penguins_...`, and for one run the parameters of the
DAG. One that is not set leaves the default to the step.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from airflow.sdk import DAG
from pods import as_json, code_of, param, result, step
from pods import setting as setting_of

setting = partial(setting_of, "penguins")

with DAG(
    dag_id="modelo_penguin",
    schedule=None,
    doc_md="""Trains the species model again from its file, and publishes it if it beats the champion.

`reset_schema` drops the tables of schema `penguins` and nothing else, `create_raw_table` and `load_raw` fill
the raw one, `preprocess` counts the defects and prepares, `train` fits, `validate` compares accuracies,
`publish` decides.""",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "penguins"},
    tags=["penguins", "training"],
    params={
        "seed": param("integer", "Of everything random.", 0),
        "n_estimators": param("integer", "Trees of the random forest.", 1),
        "min_metric": param("number", "Smallest accuracy of a first champion.", 0),
        "min_gain": param("number", "The lower end of the gain's interval must be above this.", -1),
        "incomparable": param("string", "Champion not comparable: refuse, or min-metric decides."),
    },
    user_defined_macros={"code_of": code_of},
):
    training = {"seed": setting("seed", 42), "n_estimators": setting("n_estimators", 100)}
    thresholds = {name: setting(name) for name in ("min_metric", "min_gain", "incomparable")}
    # All that decides what comes of the same rows; stands in the record of promotions.
    decisive = training | thresholds | {"code": "{{ code_of('penguins-train') }}"}
    snapshot = {
        "snapshot_uri": result("preprocess", "snapshot_uri"),
        "snapshot_sha256": result("preprocess", "snapshot_sha256"),
    }
    reset_schema = step("penguins", "reset-schema")
    create_raw_table = step("penguins", "create-raw-table")
    load_raw = step("penguins", "load-raw")
    preprocess = step(
        "penguins",
        "preprocess",
        arguments={"training_parameters": as_json(decisive)},
    )
    train = step("penguins", "train", arguments=snapshot | training)
    validate = step(
        "penguins",
        "validate",
        arguments={"trained": "{{ ti.xcom_pull(task_ids='train') | tojson }}", **thresholds, **snapshot},
    )
    publish = step(
        "penguins",
        "publish",
        arguments={"evaluation_uri": result("validate", "evaluation_uri")},
        multiple_outputs=True,
    )
    reset_schema >> create_raw_table >> load_raw >> preprocess >> train >> validate >> publish
