"""The food prices of SIPSA, each day after they become public."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Context, CronTriggerTimetable, RetryDecision, RetryPolicy, TaskGroup, Variable
from pods import RUN_AFTER, param, result, setting, step

REPORTS = (
    "promediosSipsaCiudad",
    "promediosSipsaParcial",
    "promediosSipsaSemanaMadr",
    "promediosSipsaMesMadr",
    "promedioAbasSipsaMesMadr",
)


class RetryDelay(RetryPolicy):
    """Tries again after the minutes of the variable `sipsa_retry_delay_minutes`, read when a try fails.

    A variable that is not set leaves the delay to the task.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide on a failure that another try may mend; a bug and invalid input are never tried again."""
        minutes = Variable.get("sipsa_retry_delay_minutes", default=None)
        if minutes is None:
            return RetryDecision.default()
        return RetryDecision.retry(timedelta(minutes=float(minutes)), "sipsa_retry_delay_minutes")


with DAG(
    dag_id="dane_sipsa_prices_ingestion",
    schedule=CronTriggerTimetable("30 14 * * *", timezone="America/Bogota"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md="""Merges the reports of DANE's SIPSA service into the tables of schema `sipsa_data`.

The service answers with a report's whole history. `extract` keeps the answer in S3, `stage` reads it into a
staging table, `merge` adds the new rows and corrects those that differ, in one transaction. A report that is
the same as the last time is a skip. New prices are public at 14:00 in Bogotá.""",
    tags=["sipsa", "ingest"],
    default_args={"owner": "sipsa", "retry_policy": RetryDelay()},
    params={
        "wsdl_url": param("string", "WSDL of the service, or path and query at its base URL."),
        "historical_start_date": param("string", "First day to keep, as 2020-01-31."),
        "max_refused_share": param("number", "Largest share of a report's rows that may be refused.", 0),
    },
):
    for report in REPORTS:
        with TaskGroup(report):
            extract = step(
                "sipsa",
                "extract",
                arguments={"operation": report, "wsdl_url": setting("sipsa", "wsdl_url")},
                # Four tries of an answer that takes ten minutes, with their waits.
                timeout=timedelta(minutes=45),
            )
            stage = step(
                "sipsa",
                "stage",
                arguments={
                    "operation": report,
                    "raw_uri": result(f"{report}.extract", "raw_uri"),
                    "raw_sha256": result(f"{report}.extract", "sha256"),
                    "run_after": RUN_AFTER,
                    "historical_start_date": setting("sipsa", "historical_start_date"),
                    "max_refused_share": setting("sipsa", "max_refused_share"),
                },
            )
            merge = step("sipsa", "merge", arguments={"operation": report})
            extract >> stage >> merge
