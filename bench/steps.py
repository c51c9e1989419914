"""What a step costs beyond its own work, on a running platform: ``python -m bench.steps``.

A DAG with a chain of trivial steps is put beside the others meanwhile; that also shows how soon one arrives.
"""

import statistics
import time
from datetime import datetime
from itertools import pairwise

from quintet.follow import follow
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from quintet.progress import UserError

DAG = "bench_steps"
LENGTH = 6
RUNS = 3
ARRIVAL_SECONDS = 120
SOURCE = f'''
from datetime import UTC, datetime
from airflow.sdk import DAG, chain
from pods import step

WORK = "import os; open(os.environ['RESULT_PATH'], 'w').write('{{}}')"

with DAG("{DAG}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), is_paused_upon_creation=False):
    trivial = {{"cmds": ["python", "-c", WORK]}}
    steps = [step("forest", "extract", task_id=f"step_{{n}}", **trivial) for n in range({LENGTH})]
    chain(*steps)
'''


def main() -> None:
    """Print the overhead of each step of the chain, and the median."""
    kube = Kube.of("quintet", None)
    with AirflowApi.connect(kube) as airflow:
        edit(kube, DAG, SOURCE)
        try:
            print(f"the DAG arrived after {await_arrival(airflow, DAG):.0f} s")
            overheads = [seconds for _ in range(RUNS) for seconds in _chain(airflow)]
        finally:
            edit(kube, DAG, None)
            airflow.delete(DAG)
    print(
        f"{LENGTH} trivial steps, {RUNS} runs: median {statistics.median(overheads):.1f} s a step, ", end=""
    )
    print(f"{min(overheads):.1f} to {max(overheads):.1f}")


def edit(kube: Kube, dag: str, source: str | None) -> None:
    """Put a DAG file beside the platform's own, or take it away again."""
    kube.core.patch_namespaced_config_map("airflow-dags", kube.namespace, {"data": {f"{dag}.py": source}})


def await_arrival(airflow: AirflowApi, dag: str) -> float:
    """Wait until Airflow lists the DAG and return the seconds that it took."""
    started = time.monotonic()
    while dag not in {each["dag_id"] for each in airflow.dags()}:
        if time.monotonic() - started > ARRIVAL_SECONDS:
            raise UserError(f"Airflow has not read {dag} after {ARRIVAL_SECONDS} s.")
        time.sleep(1)
    return time.monotonic() - started


def _chain(airflow: AirflowApi) -> list[float]:
    """Run the chain and return the seconds from one step's end to the next one's."""
    tasks = follow(airflow, DAG, airflow.trigger(DAG, {}))
    ends = sorted(datetime.fromisoformat(task["end_date"]) for task in tasks)
    return [(later - earlier).total_seconds() for earlier, later in pairwise(ends)]


if __name__ == "__main__":
    main()
