"""The bitcoin pipelines: take the exchange's closed bars, and train a model of where the next one goes.

The numbers that people turn are Airflow variables named `bitcoin_...`, and for one run the parameters of the
DAG. One that is not set leaves the default to the step.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.sdk import DAG, Asset, CronTriggerTimetable
from pods import as_json, code_of, param, result, step
from pods import setting as setting_of

bars_changed = Asset(name="bitcoin_bars", uri="postgres://postgres/quintet/bitcoin/bars")

TUNERS = 2
setting = partial(setting_of, "bitcoin")
SCHEDULED = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"owner": "bitcoin"},
}

SERIES = {
    "symbol": param("string", "What is traded."),
    "interval": param("string", "Length of a bar, such as 1h."),
}
INGESTION = {
    "start": param("string", "Opening of the first bar of all, ISO 8601."),
    "max_bars": param("integer", "About so many bars in one run at most.", 1),
    "max_refused_share": param("number", "Share of refused rows that refuses all of a run's.", 0),
    "max_quiet_bars": param("integer", "Bars that may be missing at the end before a run warns.", 0),
    "latest_bars": param("integer", "Latest bars that serving finds.", 1),
}
TRAINING = {
    "horizon": param("integer", "Bars ahead that the target is about.", 1),
    "target": param("string", "direction: any rise is up; beats_costs: one that pays the costs both ways."),
    "cost_bps": param("number", "Costs of a trade, in hundredths of a percent.", 0),
    "test_share": param("number", "Share of the latest rows held out.", 0),
    "gap": param("integer", "Bars between what is fitted on and what is scored.", 0),
    "train_bars": param("integer", "Latest bars to train on; 0 for all.", 0),
    "min_rows": param("integer", "Fewest rows to train on.", 1),
    "seed": param("integer", "Of everything random.", 0),
    "trials": param("integer", "Trials of all tuners together.", 1),
    "tune_folds": param("integer", "Stretches of the train side that a trial is scored on.", 1),
    "max_estimators": param("integer", "Most trees of a trial.", 20),
    "walk_folds": param("integer", "Stretches of the held-out bars.", 1),
    "require_profit": param("boolean", "Refuse a model that loses after costs."),
    "min_metric": param("number", "Smallest roc_auc of a first champion.", 0),
    "min_gain": param("number", "The lower end of the gain's interval must be above this.", -1),
    "incomparable": param("string", "Champion not comparable: refuse, or min-metric decides."),
}
series = {"symbol": setting("symbol"), "interval": setting("interval")}
refused = {"max_refused_share": setting("max_refused_share")}


with DAG(
    dag_id="bitcoin_data_ingestion",
    # Two minutes after the hour: the bar has closed by every clock.
    schedule=CronTriggerTimetable("2 * * * *", timezone="UTC"),
    doc_md="""Takes the bars that have closed since the last ones.

`extract` keeps the exchange's rows in S3, `load` merges them into `bitcoin.bars` (each bar once) and lists
the holes, `export` writes all bars as CSV and the latest as JSON, which serving reads. No new bar is a
skip.""",
    tags=["bitcoin", "ingest"],
    params=SERIES | INGESTION,
    **SCHEDULED,
):
    extract = step(
        "bitcoin",
        "extract",
        arguments={
            **series,
            **{name: setting(name) for name in ("start", "max_bars", "max_quiet_bars")},
            **refused,
        },
    )
    load = step(
        "bitcoin",
        "load",
        arguments={"raw_uri": result("extract", "raw_uri"), **refused},
        outlets=[bars_changed],
    )
    export = step(
        "bitcoin",
        "export",
        arguments={**series, "latest_bars": setting("latest_bars")},
    )
    extract >> load >> export


with DAG(
    dag_id="bitcoin_training_pipeline",
    # Once a day: an hour more or less of bars makes no other model.
    schedule=CronTriggerTimetable("30 0 * * *", timezone="UTC"),
    doc_md="""Trains a model of the next bar's direction; promotes it if it beats naive guesses and champion.

The latest bars are held out: `tune` and `train` do not learn from them. `tune` runs in several pods on one
Optuna study; `evaluate` walks forward through the held-out bars, with a gap, against majority, persistence
and reversal, and with costs. Too few bars, or bars that this code has trained on with these parameters, is a
skip.""",
    tags=["bitcoin", "training"],
    params=SERIES | TRAINING,
    user_defined_macros={"code_of": code_of},
    **SCHEDULED,
):
    target = {name: setting(name) for name in ("horizon", "target", "cost_bps", "test_share", "gap")}
    tuning = {name: setting(name) for name in ("trials", "max_estimators")} | {"folds": setting("tune_folds")}
    judging = {name: setting(name) for name in ("require_profit", "min_metric", "min_gain", "incomparable")}
    seed = {"seed": setting("seed", 42)}
    # All that decides what comes of the same rows: features tells by it whether a training repeats another.
    decisive = tuning | judging | seed | {"walk_folds": setting("walk_folds")}
    decisive |= {"cost_bps": setting("cost_bps"), "code": "{{ code_of('bitcoin-train') }}"}
    snapshot = {
        "snapshot_uri": result("features", "snapshot_uri"),
        "snapshot_sha256": result("features", "snapshot_sha256"),
    }
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    features = step(
        "bitcoin",
        "features",
        arguments={
            **series,
            **target,
            "max_bars": setting("train_bars"),
            "min_rows": setting("min_rows"),
            "training_parameters": as_json(decisive),
        },
        environment=one_thread,
    )
    tune = step(
        "bitcoin",
        "tune",
        arguments=snapshot | tuning | seed,
        variants=[{"worker": worker} for worker in range(TUNERS)],
        map_index_template="{{ task.variant['worker'] }}",
        max_active_tis_per_dagrun=TUNERS,
        environment=one_thread,
        timeout=timedelta(hours=1),
    )
    train = step("bitcoin", "train", arguments=snapshot | seed, environment=one_thread)
    evaluate = step(
        "bitcoin",
        "evaluate",
        arguments={
            "candidate": "{{ ti.xcom_pull(task_ids='train') | tojson }}",
            "folds": setting("walk_folds"),
            "cost_bps": setting("cost_bps"),
            **judging,
            **seed,
            **snapshot,
        },
        environment=one_thread,
    )
    promote = step(
        "bitcoin",
        "promote",
        arguments={"evaluation_uri": result("evaluate", "evaluation_uri")},
        multiple_outputs=True,
    )
    features >> tune >> train >> evaluate >> promote
