"""The commands of the local platform: ``up``, ``down``, and its ``run``, ``status``, ``predict``, ``why``."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from quintet.diagnosis.explanation import explain
from quintet.follow import document
from quintet.local import served, services
from quintet.local.airflow import LocalAirflow, follow_one, pipeline_with
from quintet.local.evidence import LocalRuns
from quintet.local.parts import apis, shown_services
from quintet.local.platform import Platform
from quintet.local.processes import answers, end_of
from quintet.local.state import State
from quintet.local.task_graph import interruptible
from quintet.pipelines import showcase
from quintet.progress import UserError, stage
from quintet.shown import show_champions, shown_dags


def up(state: State) -> None:
    """Start the services that do not run: of the pipeline that shows the platform, and those there were.

    Those of another start with its first run.
    """
    shown = showcase()
    with interruptible(), state.alone():
        state.refuse_full_disk()
        services.Start(state, [shown.name] if shown else []).run()
    _show(state)
    first = shown.training[0] if shown and shown.training else "<the id of a DAG>"
    print(f"Next: quintet run {first}")


def down(state: State) -> None:
    """Stop the services."""
    with interruptible(), state.alone(), stage("down", f"stop what runs; {state.folder} stays"):
        services.stop(state)


def run(state: State, dag: str, params: Mapping[str, Any], date: datetime | None) -> dict[str, Any]:
    """Run a DAG here and follow it; starts the services that do not run.

    Args:
        state: of the platform.
        dag: its id.
        params: of the run.
        date: of the run; None means now.

    Returns:
        What `--json` says of it.

    Raises:
        UserError: when there is no such DAG, or the run fails, with the reason of the task that failed.
    """
    pipeline = pipeline_with(dag)
    with interruptible(), state.alone():
        state.refuse_full_disk()
        start = services.Start(state, [pipeline.name])
        start.run(keep_runner=True)
        assert start.runner  # noqa: S101 - it was asked for
        with start.runner as runner:
            tasks = follow_one(start.platform, runner, dag, date or datetime.now(UTC), dict(params))
    return document(dag, tasks[0]["dag_run_id"], "success", tasks)


def status(state: State) -> dict[str, Any]:
    """Print what runs, where, and what became of the last runs, and return what `--json` says of it.

    Raises:
        UserError: when there is no such platform.
    """
    if not state.ports():
        raise UserError(f"There is no local platform in {state.folder}: `quintet up` makes one.")
    platform, shown = Platform(state), _show(state)
    at_work = _at_work(state)
    champions = [served.champion(platform, name) for name in apis() if name in at_work]
    show_champions(champions)
    dags = shown_dags(LocalAirflow(platform)) if "postgres" in at_work else []
    return {"platform": "local", "services": shown, "champions": champions, "dags": dags}


def predict(state: State, model: str) -> dict[str, Any]:
    """Print the answer of a model's API to the example of its pipeline, and return it.

    Args:
        state: of the platform.
        model: whose API; "" means the first one.

    Raises:
        UserError: when no API of that model runs, or it refuses.
    """
    at_work = [name for name in apis() if name in _at_work(state)]
    service = f"inference-{model}" if model else next(iter(at_work), "")
    if service not in at_work:
        known = ", ".join(name.removeprefix("inference-") for name in at_work)
        raise UserError(
            f"No API of {model or 'a model'} runs here"
            + (f"; there are {known}." if known else ": `quintet run` of its training DAG starts it.")
        )
    example = json.loads(apis()[service].example.read_text(encoding="utf-8"))
    answer = served.predict(Platform(state), service, example)
    print(json.dumps(answer, ensure_ascii=False))
    return answer


def why(state: State, words: list[str]) -> dict[str, Any]:
    """Print why a run here failed, and return what `--json` says of it.

    Raises:
        UserError: when there is no such run, or more than one.
    """
    return explain(LocalRuns(state.runs), words)


def _show(state: State) -> list[dict[str, Any]]:
    """Print a line for each service, and return what `--json` says of them."""
    platform, shown = Platform(state), []
    for name in shown_services(state):
        url, how = platform.url(name), _condition(platform, name)
        shown.append({"name": name, "url": url, "state": how})
        print(f"service  {name:16} {url:48} {how}")
    return shown


def _at_work(state: State) -> set[str]:
    return {name for name, service in state.running().items() if service.process}


def _condition(platform: Platform, name: str) -> str:
    """Return in a few words how a service is."""
    state, running = platform.state, platform.state.running()
    if name not in running:
        return "stopped: `quintet up` starts it"
    if not running[name].process:
        return f"ended by itself: {end_of(state.log(name), 1)} ({state.log(name)})"
    if name == "postgres":
        ready = platform.postgres.is_ready()
    else:
        ready = platform.s3.answers() if name == "s3" else answers(f"{platform.url(name)}/health")
    return "Ready" if ready else "does not answer"
