"""The Chicago crime pipeline: download, enrich, prepare, train, judge and promote, once a month.

The numbers that people turn are Airflow variables named `crime_...`, and for one run the parameters of the
DAG. One that is not set leaves the default to the step.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

from airflow.sdk import DAG, CronTriggerTimetable
from pods import as_json, code_of, param, result, step
from pods import setting as setting_of

ALGORITHMS = ("logistic_regression", "random_forest")
setting = partial(setting_of, "crime")
PARAMETERS = {
    "months": param("integer", "Complete months in the window.", 1),
    "max_refused_share": param("number", "Share of refused rows that refuses a whole download.", 0),
    "vanished": param("string", "Crimes that the portal no longer has: remove or keep."),
    "split": param("string", "How test rows are chosen: stratified or by_time."),
    "test_share": param("number", "Share of test rows.", 0),
    "fence": param("number", "Quartile ranges beyond the quartiles within which numbers are held.", 0),
    "min_share": param("number", "Share of the train rows that gives a category a column.", 0),
    "smote_ratio": param("number", "Arrests to the rest after SMOTE.", 0),
    "balanced_ratio": param("number", "Arrests to the rest after the rest is thinned out.", 0),
    "max_columns": param("integer", "Most columns that models are given.", 2),
    "seed": param("integer", "Of everything random.", 0),
    "n_estimators": param("integer", "Trees of the random forest.", 1),
    "min_metric": param("number", "Smallest average_precision of a first champion.", 0),
    "min_gain": param("number", "The lower end of the gain's interval must be above this.", -1),
    "incomparable": param("string", "Champion not comparable: refuse, or min-metric decides."),
}
# What the threads of a step may use; see `resources` in pipeline.yaml. Two of BLAS wait for each other by
# spinning, long where cores are busy.
THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}


with DAG(
    dag_id="etl_with_taskflow",
    # The portal shows a crime a week after its day: on the 9th, the month before is complete.
    schedule=CronTriggerTimetable("0 9 9 * *", timezone="America/Chicago"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "crime"},
    doc_md="""Learns from a year of Chicago's crimes which ones end in an arrest.

The first run downloads the last twelve complete months, later ones what is new or corrected. Crimes that
this code has trained on with these parameters are a skip. Each stage leaves its rows as CSV in S3, and what
it has learned from the train rows as JSON beside them. The result of `promote` names the champion and its
version.""",
    tags=["crime", "ingest", "training"],
    params=PARAMETERS,
    user_defined_macros={"code_of": code_of},
):
    thresholds = {name: setting(name) for name in ("min_metric", "min_gain", "incomparable")}
    stages = {
        "split_data": {name: setting(name) for name in ("split", "test_share")},
        "process_outliers": {"fence": setting("fence")},
        "encode_data": {"min_share": setting("min_share")},
        "scale_data": {},
        "balance_data": {name: setting(name) for name in ("smote_ratio", "balanced_ratio", "seed")},
        "extract_features": {name: setting(name) for name in ("max_columns", "seed")},
        "train": {"seed": setting("seed", 42), "n_estimators": setting("n_estimators", 100)},
    }
    # All that decides what comes of the same crimes: it tells download_data what is a repetition.
    decisive = {name: value for options in stages.values() for name, value in options.items()} | thresholds
    decisive |= {
        f"code_of_{name}": f"{{{{ code_of('crime-{name.replace('_', '-')}') }}}}"
        for name in ("enrich_data", *stages)
    }
    window = {"window_date": result("download_data", "date")}

    setup_s3 = step("crime", "setup-s3")
    download_data = step(
        "crime",
        "download-data",
        arguments={
            "months": setting("months"),
            "max_refused_share": setting("max_refused_share"),
            "vanished": setting("vanished"),
            "training_parameters": as_json(decisive),
        },
        timeout=timedelta(hours=1),
    )
    enrich_data = step(
        "crime",
        "enrich-data",
        arguments={
            **window,
            **{
                name: result("download_data", name)
                for name in ("crimes_uri", "crimes_sha256", "stations_uri", "stations_sha256")
            },
        },
    )
    split_data = step(
        "crime",
        "split-data",
        arguments={
            **window,
            **{
                name: result("enrich_data", name)
                for name in ("enriched_uri", "enriched_sha256", "transforms_uri", "transforms_sha256")
            },
            **{name: result("download_data", name) for name in ("data_sha256", "parameters_sha256")},
            **stages["split_data"],
        },
    )
    process_outliers = step(
        "crime",
        "process-outliers",
        arguments={"document_uri": result("split_data", "document_uri"), **stages["process_outliers"]},
    )
    encode_data = step(
        "crime",
        "encode-data",
        arguments={"document_uri": result("process_outliers", "document_uri"), **stages["encode_data"]},
    )
    scale_data = step(
        "crime",
        "scale-data",
        arguments={"document_uri": result("encode_data", "document_uri"), **stages["scale_data"]},
    )
    balance_data = step(
        "crime",
        "balance-data",
        arguments={"document_uri": result("scale_data", "document_uri"), **stages["balance_data"]},
        environment=THREADS,
    )
    extract_features = step(
        "crime",
        "extract-features",
        arguments={"document_uri": result("balance_data", "document_uri"), **stages["extract_features"]},
        environment=THREADS,
    )
    train = step(
        "crime",
        "train",
        arguments={"document_uri": result("extract_features", "document_uri"), **stages["train"]},
        variants=[{"algorithm": algorithm} for algorithm in ALGORITHMS],
        map_index_template="{{ task.variant['algorithm'] }}",
        max_active_tis_per_dagrun=2,
        environment=THREADS,
        timeout=timedelta(hours=1),
    )
    evaluate = step(
        "crime",
        "evaluate",
        arguments={
            "candidates": "{{ ti.xcom_pull(task_ids='train') | list | tojson }}",
            # The rows of both sides before any stage has touched them.
            "snapshot_uri": result("split_data", "document_uri"),
            "snapshot_sha256": result("split_data", "data_sha256"),
            **thresholds,
        },
    )
    promote = step(
        "crime",
        "promote",
        arguments={"evaluation_uri": result("evaluate", "evaluation_uri")},
        multiple_outputs=True,
    )
    preprocessing = [split_data, process_outliers, encode_data, scale_data, balance_data, extract_features]
    order = [setup_s3, download_data, enrich_data, *preprocessing, train, evaluate, promote]
    for before, after in pairwise(order):
        before >> after
