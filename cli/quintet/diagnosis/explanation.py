"""A run explained: which task failed or stands still, the facts about it, and the likely cause."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from quintet.diagnosis import Cause, Kind, cause_of
from quintet.diagnosis.evidence import Evidence, Run, Runs
from quintet.progress import UserError

HARMLESS = (Kind.AT_WORK, Kind.SKIPPED, Kind.UPSTREAM_FAILED)
WAITING = (Kind.WAITS_FOR_POOL, Kind.WAITS_FOR_RUN)
EVENTS_SHOWN = 4


def explain(runs: Runs, words: Sequence[str]) -> dict[str, Any]:
    """Print facts and cause of the run that the words name.

    Returns:
        What `--json` says of it: each heading with its texts, as they are printed.

    Raises:
        UserError: when there is no such run, or more than one.
    """
    dag, name = _split(runs, words)
    for broken in runs.broken_files(dag):
        _print((("file", broken.task), *_told(cause_of(broken))))
    run, evidence = _chosen(runs, dag, name)
    print(f"{run.dag} {run.id}: {run.state}")
    said = _print(account(runs, evidence))
    return {"dag": run.dag, "run": run.id, "state": run.state, "said": said}


def account(runs: Runs, evidence: Sequence[Evidence]) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of a run, as headings and texts: the facts first, then the cause.

    Args:
        runs: who knows how services are now.
        evidence: about the tasks of the run that did not succeed, the most telling first.
    """
    if not evidence:
        yield "cause", "Nothing failed: each of its tasks succeeded."
        return
    causes = [cause_of(task) for task in evidence]
    first = min(range(len(causes)), key=lambda place: _weight(causes[place]))
    cause = causes[first]
    yield from facts(evidence[first])
    if cause.service and (now := runs.service_state(cause.service)):
        yield "now", now
    for place, task in enumerate(evidence):
        if place != first and task.state:  # one without a state waits for those before it
            same = causes[place].kind == cause.kind
            yield "also", f"{task.task} {task.state}: {'the same' if same else causes[place].kind}"
    yield from _told(cause)


def facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield the facts about a task, as headings and texts."""
    if evidence.task:
        spent = "" if evidence.seconds is None else f", after {evidence.seconds:.1f} s"
        yield (
            "task",
            f"{evidence.task}, try {evidence.attempt} of {evidence.attempts}, {evidence.state}{spent}",
        )
    if evidence.exit_code is not None:
        yield "exit code", f"{evidence.exit_code}{f', {evidence.signal}' if evidence.signal else ''}"
    # Of a pod that did not come to its end, Airflow's exception says what the pod's own words below do.
    if said := evidence.said.message or ("" if evidence.pod else evidence.exception):
        yield "said", said
    for name in ("code", "file", "row", "column", "service"):
        if value := getattr(evidence.said, name):
            yield name, str(value)
    if pod := evidence.pod:
        limit = f", memory limit {pod.memory_limit}" if pod.memory_limit else ""
        yield "pod", f"{pod.ended or pod.reason or pod.waiting or pod.phase}, image {pod.image}{limit}"
        if pod.exit_code is None or pod.reason:
            for reason, message in pod.events[-EVENTS_SHOWN:]:
                yield "event", f"{reason}: {message}"
    for line in evidence.log:
        yield "log", line


def _told(cause: Cause) -> Iterator[tuple[str, str]]:
    yield "cause" if cause.certain else "likely", f"{cause.kind}. {cause.sentence}"
    yield "do", cause.advice


def _print(lines: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Print headings and texts, and return them; a heading that repeats stands once."""
    former, said = "", dict[str, list[str]]()
    for heading, text in lines:
        said.setdefault(heading, []).append(text)
        for line in text.splitlines():
            print(f"  {heading if heading != former else '':10} {line}")
            former = heading
    return said


def _split(runs: Runs, words: Sequence[str]) -> tuple[str, str]:
    """Separate DAG and run; either may be missing."""
    if len(words) > 2:
        raise UserError("`quintet why` takes a DAG and a run at most: quote an id that holds spaces.")
    if len(words) == 2:
        return words[0], words[1]
    if words and words[0] in runs.dags():
        return words[0], ""
    return "", words[0] if words else ""


def _chosen(runs: Runs, dag: str, name: str) -> tuple[Run, tuple[Evidence, ...]]:
    """Return the run that is meant, and the evidence about it."""
    if name:
        found = [run for run in runs.named(name) if dag in ("", run.dag)]
        if not found:
            of = f"DAG {dag} has no run" if dag else "There is no DAG and no run"
            raise UserError(f"{of} {name}: `quintet status` lists the DAGs, Airflow's UI their runs.")
        if len(found) > 1:
            owners = " and ".join(sorted(run.dag for run in found))
            raise UserError(f"{owners} each have a run {name}: name the DAG before it.")
        return found[0], tuple(runs.evidence(found[0]))
    waiting = None
    for run in runs.latest(dag):
        evidence = tuple(runs.evidence(run))
        weight = min((_weight(cause_of(task)) for task in evidence), default=2)
        if run.state == "failed" or weight == 0:
            return run, evidence
        if weight == 1:
            waiting = waiting or (run, evidence)
    if waiting:
        return waiting
    raise UserError(f"No run{f' of {dag}' if dag else ''} has failed or stands still.")


def _weight(cause: Cause) -> int:
    """Rank a cause: 0 for a trouble, 1 for a wait that ends by itself, 2 for nothing wrong."""
    return 2 if cause.kind in HARMLESS else 1 if cause.kind in WAITING else 0
