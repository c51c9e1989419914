"""The forest-cover pipelines: ingest a capture, ingest it for a second team, train and promote.

The numbers that people turn are Airflow variables named `forest_...`, and for one run the parameters of the
DAG. One that is not set leaves the default to the step.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable
from pods import RUN_AFTER, as_json, code_of, param, result, step
from pods import setting as setting_of

SAMPLES = "forest.forest_cover_samples"
samples_changed = Asset(
    name="forest_cover_samples", uri="postgres://postgres/quintet/forest/forest_cover_samples"
)

ALGORITHMS = ("logistic_regression", "random_forest", "svc")
setting = partial(setting_of, "forest")
# Airflow starts no scheduled run while one is queued or running, and keeps one request by asset waiting:
# at most one run is active and one waits.
SCHEDULED = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"owner": "forest"},
}


CAPTURE = {
    "group_number": param("integer", "Group at the source, whose samples are captured.", 0),
    "max_refused_share": param("number", "Share of refused rows that refuses a whole capture.", 0),
}
TRAINING = {
    "training_table": param("string", "Table to train on."),
    "seed": param("integer", "Of everything random.", 0),
    "n_estimators": param("integer", "Trees of the random forest.", 1),
    "svc_max_rows": param("integer", "Most rows the SVC is fitted on.", 100),
    "svc_components": param("integer", "Landmarks of the SVC's kernel.", 1),
    "min_rows": param("integer", "Fewest rows to train on.", 1),
    "min_captures": param("integer", "Fewest captures to train on.", 0),
    "min_classes": param("integer", "Fewest classes to train on.", 2),
    "min_metric": param("number", "Smallest f1_macro of a first champion.", 0),
    "min_gain": param("number", "The lower end of the gain's interval must be above this.", -1),
    "incomparable": param("string", "Champion not comparable: refuse, or min-metric decides."),
}


with DAG(
    dag_id="forest_cover_data_pipeline",
    schedule=CronTriggerTimetable("*/3 * * * *", timezone="UTC"),
    doc_md="""Captures the source's current batch of samples.

`extract` keeps the raw answer in S3, `load` merges it into `forest.forest_cover_samples` (each row once),
`export` writes the same capture as CSV. The end of the data, or nothing new, is a skip.""",
    tags=["forest", "ingest"],
    params=CAPTURE,
    **SCHEDULED,
):
    extract = step(
        "forest",
        "extract",
        arguments={name: setting(name) for name in ("group_number", "max_refused_share")},
    )
    load = step(
        "forest",
        "load",
        arguments={"raw_uri": result("extract", "raw_uri"), "table": SAMPLES, "run_after": RUN_AFTER},
        outlets=[samples_changed],
    )
    export = step(
        "forest",
        "export",
        arguments={"raw_uri": result("extract", "raw_uri"), "table": SAMPLES, "run_after": RUN_AFTER},
    )
    extract >> load >> export


with DAG(
    dag_id="forest_cover_data_extraction",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    doc_md="""Captures samples for a second team: its own group of the source, its own table.

The table `train_data.forest_cover_data` has the source's own column names; training reads it when the
variable `forest_training_table` names it.""",
    tags=["forest", "ingest"],
    params=CAPTURE,
    **SCHEDULED,
):
    group_number = setting("group_number", 4, variable="extraction_group_number")
    extract = step(
        "forest",
        "extract",
        arguments={"group_number": group_number, "max_refused_share": setting("max_refused_share")},
    )
    load = step(
        "forest",
        "load",
        arguments={
            "raw_uri": result("extract", "raw_uri"),
            "table": "train_data.forest_cover_data",
            "run_after": RUN_AFTER,
        },
    )
    extract >> load


with DAG(
    dag_id="forest_training_pipeline",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=[samples_changed]
    ),
    doc_md="""Trains three models on a snapshot of the samples and promotes the best if it beats the champion.

Too few rows, captures or classes, or a snapshot that this code has trained with these parameters, is a skip.
The result of `promote` names the champion and its version.""",
    tags=["forest", "training"],
    params=TRAINING,
    user_defined_macros={"code_of": code_of},
    **SCHEDULED,
):
    training = {
        "seed": setting("seed", 42),
        "n_estimators": setting("n_estimators", 100),
        "svc_max_rows": setting("svc_max_rows", 20000),
        "svc_components": setting("svc_components", 300),
    }
    thresholds = {name: setting(name) for name in ("min_metric", "min_gain", "incomparable")}
    # All that decides what comes of the same rows: preprocess tells by it whether a training repeats another.
    decisive = training | thresholds | {"code": "{{ code_of('forest-train') }}"}
    snapshot = {
        "snapshot_uri": result("preprocess_forest_data", "snapshot_uri"),
        "snapshot_sha256": result("preprocess_forest_data", "snapshot_sha256"),
    }
    preprocess_forest_data = step(
        "forest",
        "preprocess",
        task_id="preprocess_forest_data",
        arguments={
            "table": setting("training_table", SAMPLES),
            "run_after": RUN_AFTER,
            "min_rows": setting("min_rows"),
            "min_captures": setting("min_captures"),
            "min_classes": setting("min_classes"),
            "training_parameters": as_json(decisive),
        },
    )
    train_forest_models = step(
        "forest",
        "train",
        task_id="train_forest_models",
        arguments=snapshot | training,
        variants=[{"algorithm": algorithm} for algorithm in ALGORITHMS],
        map_index_template="{{ task.variant['algorithm'] }}",
        max_active_tis_per_dagrun=2,
        # Two threads of BLAS wait for each other by spinning: on busy cores a fit of 0.2 s took 9 s of them.
        environment={"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"},
        timeout=timedelta(hours=1),
    )
    evaluate = step(
        "forest",
        "evaluate",
        arguments={
            "candidates": "{{ ti.xcom_pull(task_ids='train_forest_models') | list | tojson }}",
            **thresholds,
            **snapshot,
        },
    )
    promote = step(
        "forest",
        "promote",
        arguments={"evaluation_uri": result("evaluate", "evaluation_uri")},
        multiple_outputs=True,
    )
    preprocess_forest_data >> train_forest_models >> evaluate >> promote
