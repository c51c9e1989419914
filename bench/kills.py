"""What a step loses when a pod of the running platform is killed under it: ``python -m bench.kills``.

A step of a minute runs in a DAG that is put beside the others; meanwhile a pod is deleted without grace.
"""

import threading
from dataclasses import dataclass
from datetime import datetime

from kubernetes import watch

from bench.steps import await_arrival, edit
from quintet.follow import follow
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube

DAG = "bench_kills"
WORK_SECONDS = 60
WATCH_SECONDS = 600
SOURCE = f'''
from datetime import UTC, datetime
from airflow.sdk import DAG
from pods import step

WORK = "import os, time; time.sleep({WORK_SECONDS}); open(os.environ['RESULT_PATH'], 'w').write('{{}}')"

with DAG("{DAG}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), is_paused_upon_creation=False):
    step("forest", "extract", task_id="long", cmds=["python", "-c", WORK])
'''


@dataclass(frozen=True)
class Kill:
    """One pod killed under a running step.

    Attributes:
        service: the Deployment or StatefulSet of the pod.
        after: seconds from the start of the step's container; the step leaves its slot 15 s after it.
    """

    service: str
    after: float


KILLS = (
    Kill("airflow-scheduler", 5),
    Kill("airflow-scheduler", 30),
    Kill("airflow-triggerer", 30),
    Kill("postgres", 30),
)


def main() -> None:
    """Print, for each kill, how the run ended, in which try, how many step pods it took, and its seconds."""
    kube = Kube.of("quintet", None)
    with AirflowApi.connect(kube) as airflow:
        edit(kube, DAG, SOURCE)
        try:
            await_arrival(airflow, DAG)
            print(f"{'killed':18} {'after s':>7} {'run':>8} {'tries':>6} {'step pods':>9} {'seconds':>8}")
            for kill in KILLS:
                print(_outcome(kube, airflow, kill), flush=True)
        finally:
            edit(kube, DAG, None)
            airflow.delete(DAG)


def _outcome(kube: Kube, airflow: AirflowApi, kill: Kill) -> str:
    """Run the DAG, kill meanwhile, and describe how it ended."""
    seen: set[str] = set()
    run = airflow.trigger(DAG, {})
    killer = threading.Thread(target=_kill, args=(kube, kill, seen))
    killer.start()
    (task,) = follow(airflow, DAG, run)
    killer.join()
    started, ended = (datetime.fromisoformat(airflow.run(DAG, run)[key]) for key in ("run_after", "end_date"))
    seconds = (ended - started).total_seconds()
    shown = f"{task['state']:>8} {task['try_number']:6} {len(seen):9} {seconds:8.1f}"
    return f"{kill.service:18} {kill.after:7.0f} {shown}"


def _kill(kube: Kube, kill: Kill, seen: set[str]) -> None:
    """Watch the step's pods until none is left, and delete the service's pod when it is time."""
    selector = kube.workloads(kill.service)[0].spec.selector.match_labels
    timer = threading.Timer(kill.after, _delete, args=(kube, selector))
    stream = watch.Watch().stream(
        kube.core.list_namespaced_pod,
        kube.tasks_namespace,
        label_selector=f"dag_id={DAG}",
        timeout_seconds=WATCH_SECONDS,
    )
    for event in stream:
        pod = event["object"]
        seen.add(pod.metadata.uid)
        statuses = pod.status.container_statuses or []
        if statuses and statuses[0].state.running and not timer.is_alive() and len(seen) == 1:
            timer.start()
        if event["type"] == "DELETED":
            return


def _delete(kube: Kube, selector: dict[str, str]) -> None:
    for pod in kube.pods(selector):
        kube.core.delete_namespaced_pod(pod.metadata.name, kube.namespace, grace_period_seconds=0)


if __name__ == "__main__":
    main()
