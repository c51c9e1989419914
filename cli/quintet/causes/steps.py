"""Causes that a step names by its exit code and its sentence, whether it ran as a pod or as a process."""

import re

from quintet.causes.cause import Cause, Kind
from quintet.causes.evidence import Evidence, Place

BUG, REFUSED, OUTSIDE_DOWN = 1, 2, 75
OUTPUT_LOST = 120
"""Python's own exit code when it could not write out what it had printed; no step chooses it."""
_SERVICES = (
    ("minio", Kind.S3_DOWN, "S3", r"S3 |there is no bucket"),
    ("mlflow", Kind.MLFLOW_DOWN, "MLflow", r"MLflow "),
    ("postgres", Kind.POSTGRES_DOWN, "Postgres", r"Postgres "),
)


def out_of_memory(evidence: Evidence) -> Cause | None:
    """Name a kill for memory; Kubernetes says so, a bare process only ends by SIGKILL."""
    limit = evidence.pod.memory_limit if evidence.pod else ""
    certain = bool(evidence.pod and evidence.pod.ended == "OOMKilled")
    certain = certain or bool(re.search(r"MemoryError|Unable to allocate|OOM-killed", evidence.text))
    # The kubelet may see a container end before it hears that the kernel ran out of memory for it: it then
    # says Error. Nothing but memory kills a container whose pod nobody has deleted.
    undeleted = evidence.pod is None or not evidence.pod.deleted
    killed = evidence.signal == "SIGKILL" or (undeleted and evidence.exit_code == 137)
    if not certain and not killed and "TerminatedWorkerError" not in evidence.text:
        return None
    return Cause(
        Kind.OUT_OF_MEMORY,
        f"It used more memory than {f'its limit of {limit}' if limit else 'it could get'}.",
        "Raise the limit (`size=` in its DAG, airflow.steps.overrides.IMAGE.resources) or give it less data.",
        certain=certain,
    )


def stopped(evidence: Evidence) -> Cause | None:
    """Name a kill from outside."""
    if evidence.exit_code not in (137, 143) and evidence.signal not in ("SIGINT", "SIGTERM"):
        return None
    return Cause(
        Kind.STOPPED,
        "It was told to stop from outside: Ctrl-C, a deleted pod, a drained node.",
        "It can be run again; nothing is half done.",
    )


def disk_full(evidence: Evidence) -> Cause | None:
    """Name a full disk, and whose."""
    phrases = r"No space left on device|Errno 28\b|DiskFull|could not extend file|no room for"
    told = bool(re.search(phrases, evidence.text))
    wordless = evidence.exit_code == BUG and not (evidence.pod or evidence.said or evidence.log)
    if not told and not wordless and evidence.exit_code != OUTPUT_LOST:
        return None
    if evidence.said.startswith("S3 "):
        return Cause(
            Kind.DISK_FULL, "S3 has no room left.", "Free space in it or enlarge its volume.", service="minio"
        )
    if evidence.said.startswith("Postgres "):
        advice = "Free space on its volume or enlarge it."
        return Cause(Kind.DISK_FULL, "The disk of Postgres is full.", advice, service="postgres")
    return Cause(
        Kind.DISK_FULL,
        "The disk that it writes to is full."
        if told
        else "It could not write its output: a full disk does that.",
        "Free space there; a step writes to /tmp alone, which its pod limits.",
        certain=told,
    )


def refused(evidence: Evidence) -> Cause | None:
    """Name what is wrong with an input that a step refused."""
    if evidence.exit_code != REFUSED:
        return None
    said = evidence.said
    place = Place.of(said)
    where = ", ".join(filter(None, (place.file, place.row, place.column and f"column {place.column}")))
    if re.search(r"--[a-z][a-z-]+|is not set\b|needs [A-Z_]{4,}|[A-Z]+_[A-Z_]+ is ", said):
        return Cause(
            Kind.WRONG_SETTING,
            "An option or a variable of the step is missing or wrong, and its sentence names it.",
            "Correct it: Admin > Variables in Airflow, the DAG, or airflow.steps in the values.",
        )
    if re.search(r"there is no (object|file)", said):
        return Cause(
            Kind.INPUT_MISSING,
            f"What it should read is not there: {where}.",
            "See whether it was deleted or never written; a new run makes its own.",
        )
    if re.search(r"answered nothing|is empty|sent no rows|0 bytes", said):
        return Cause(
            Kind.EMPTY_INPUT,
            f"The input holds nothing at all: {where}.",
            "Ask the source why; the next run tries again.",
        )
    if place.row or place.column or re.search(r"\bheader\b|fields\b|`\w+` is ", said):
        return Cause(
            Kind.FIELDS_CHANGED,
            f"The input is not what the schema says, at {where or 'the place that the sentence names'}.",
            "Look at it there; mend the source, or the pipeline's schema.py if the change is meant.",
        )
    return Cause(
        Kind.REFUSED_INPUT,
        f"The step refuses its input: {where or 'its sentence says which'}.",
        "Look at it there, and mend it or the source.",
    )


def outside_down(evidence: Evidence) -> Cause | None:
    """Name the service that a step did not reach."""
    if evidence.exit_code != OUTSIDE_DOWN:
        return None
    said = evidence.said
    if re.search(r"refuses access|authentication failed|PERMISSION_DENIED|UNAUTHENTICATED|code 40[13]", said):
        return Cause(
            Kind.ACCESS_REFUSED,
            "The service is up but refuses the step's credentials.",
            "Compare the Secret that the step gets (secretEnv under airflow.steps) with the service's own.",
        )
    address = re.search(r"https?://([\w.:-]+)|server at \"([^\"]+)\"", said)
    host = (address[1] or address[2]) if address else ""
    again = "Airflow tries again by itself." if evidence.state == "up_for_retry" else "Then run it again."
    for service, kind, name, start in _SERVICES:
        if re.match(start, said):
            return Cause(
                kind,
                f"{name}{f' at {host}' if host else ''} was not reached, or did not do what it was asked.",
                f"`make logs SERVICE={service}` if it is not ready; if it is, look at its address. {again}",
                service=service,
            )
    return Cause(
        Kind.SOURCE_DOWN,
        f"The source {host or 'that the sentence names'} does not answer as it should.",
        f"See whether it is up, and its address (ConfigMap `sources`) right. {again}",
        service=host.split(".")[0] if ".svc" in host else "",
    )


def code_exception(evidence: Evidence) -> Cause | None:
    """Name a bug, and where it is."""
    if evidence.exit_code != BUG and not (evidence.exit_code is None and evidence.exception):
        return None
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', evidence.traceback)
    own = [frame for frame in frames if "site-packages" not in frame[0] and "/lib/python" not in frame[0]]
    *_, place = own or frames or [("", "", "")]
    where = f"{place[0]}, line {place[1]}, in {place[2]}" if place[0] else "the step's code"
    if evidence.exit_code is None:
        where = "Airflow or the DAG's own code"
    *_, last = evidence.traceback.splitlines() or ["its log says which"]
    error = evidence.said or evidence.exception or last
    return Cause(
        Kind.CODE_EXCEPTION,
        f"A bug in {where}: {error}",
        "Mend the code; it is not tried again, as it would end the same way.",
        certain=evidence.exit_code is not None,
    )
