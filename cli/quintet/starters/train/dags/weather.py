"""Weather: trains a model on rows of the table, and promotes it if it is better."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG
from pods import as_json, code_of, param, result, setting, step

with DAG(
    dag_id="weather_training",
    schedule=None,
    doc_md="`snapshot` takes rows of the table, `train` fits, `evaluate` compares, `promote` decides.",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "weather"},
    tags=["weather", "training"],
    params={
        "strength": param("number", "Of the fit to the train rows."),
        "min_metric": param("number", "Smallest accuracy of a first champion.", 0),
        "min_gain": param("number", "The lower end of the gain's interval must be above this.", -1),
        "incomparable": param("string", "Champion not comparable: refuse, or min-metric decides."),
    },
    user_defined_macros={"code_of": code_of},
):
    training = {"strength": setting("weather", "strength", 1.0)}
    names = ("min_metric", "min_gain", "incomparable")
    thresholds = {name: setting("weather", name) for name in names}
    # All that decides what comes of the same rows; stands in the record of promotions.
    decisive = training | thresholds | {"code": "{{ code_of('weather-train') }}"}
    days = {"days_uri": result("snapshot", "days_uri")}
    parameters = {"training_parameters": as_json(decisive)}
    snapshot = step("weather", "snapshot", arguments=parameters)
    train = step("weather", "train", arguments=days | training)
    trained = {"trained": "{{ ti.xcom_pull(task_ids='train') | tojson }}"}
    evaluate = step("weather", "evaluate", arguments=trained | thresholds | days)
    promote = step(
        "weather",
        "promote",
        arguments={"evaluation_uri": result("evaluate", "evaluation_uri")},
        multiple_outputs=True,
    )
    snapshot >> train >> evaluate >> promote
