"""Causes that a step names by its exit code and its code, whether it ran as a pod or as a process."""

import re

from quintet.diagnosis.cause import Cause, Kind
from quintet.diagnosis.evidence import Evidence
from stepkit.errors import MLFLOW, POSTGRES, S3, Code
from stepkit.exit_codes import BUG, DEPENDENCY_UNAVAILABLE, INVALID_INPUT

OUTPUT_LOST = 120
"""Python's own exit code when it could not write out what it had printed; no step chooses it."""
_SERVICES = {
    S3: ("minio", Kind.S3_DOWN, "S3"),
    MLFLOW: ("mlflow", Kind.MLFLOW_DOWN, "MLflow"),
    POSTGRES: ("postgres", Kind.POSTGRES_DOWN, "Postgres"),
}
"""The workload, what it is when it is down, and the name of each service that `Said.service` may name."""
_REFUSALS: dict[str, tuple[Kind, str, str]] = {
    Code.INVALID_SETTING: (
        Kind.WRONG_SETTING,
        "An option or a variable of the step is missing or wrong, and its sentence names it.",
        "Correct it: Admin > Variables in Airflow, the DAG, pipeline.yaml, or airflow.steps in the values.",
    ),
    Code.MISSING_INPUT: (
        Kind.INPUT_MISSING,
        "What it should read is not there: {place}.",
        "See whether it was deleted or never written; a new run makes its own.",
    ),
    Code.EMPTY_INPUT: (
        Kind.EMPTY_INPUT,
        "The input holds nothing at all: {place}.",
        "Ask the source why; the next run tries again.",
    ),
    Code.INVALID_ROW: (
        Kind.FIELDS_CHANGED,
        "A row is not what the schema says, at {place}.",
        "Look at it there; mend the source, or the pipeline's schema.py if the change is meant.",
    ),
    Code.SCHEMA_CHANGED: (
        Kind.FIELDS_CHANGED,
        "The input is not what the schema says, at {place}.",
        "Look at it there; mend the source, or the pipeline's schema.py if the change is meant.",
    ),
    Code.UNREADABLE_INPUT: (
        Kind.UNREADABLE_INPUT,
        "The input is damaged, cut off, too large or of another format: {place}.",
        "Look at it there, and mend it or the source; a new run asks for it again.",
    ),
    Code.INPUT_REPLACED: (
        Kind.INPUT_REPLACED,
        "Another run has written over what this one was to read: {place}.",
        "Run the DAG again from its beginning, and one run at a time.",
    ),
    Code.REQUEST_REFUSED: (
        Kind.REQUEST_REFUSED,
        "The source is up but refuses what it is asked: {service}.",
        "Compare the source's address and the step's options with what the sentence says.",
    ),
    Code.UNTRUSTED_CERTIFICATE: (
        Kind.UNTRUSTED_CERTIFICATE,
        "Nobody whom the step trusts vouches for the certificate of {service}.",
        "Where the issuer is your own or your proxy's, add it to the Secret that global.caSecret names; else"
        " the server's certificate has to be mended.",
    ),
    Code.TOO_LITTLE_DATA: (
        Kind.TOO_LITTLE_DATA,
        "There are too few rows to learn from: {place}.",
        "Wait for more data, or lower the option that the sentence names.",
    ),
    Code.STATE_CONFLICT: (
        Kind.STATE_CONFLICT,
        "What is recorded already does not allow it, and its sentence names that.",
        "Do what the sentence says; a run of the whole DAG begins from what is recorded.",
    ),
    Code.UNUSABLE_MODEL: (
        Kind.UNUSABLE_MODEL,
        "The model's bundle is gone, or does not answer as the trained model does.",
        "Train again; if it ends the same way, mend what the sentence names in the pipeline's models.",
    ),
}
"""What is wrong, the sentence and the advice for each code of a refusal."""


def out_of_memory(evidence: Evidence) -> Cause | None:
    """Name a kill for memory; Kubernetes says so, a bare process only ends by SIGKILL."""
    limit = evidence.pod.memory_limit if evidence.pod else ""
    certain = bool(evidence.pod and evidence.pod.ended == "OOMKilled")
    certain = certain or evidence.said.code == Code.OUT_OF_MEMORY
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
        "Raise the limit (pipeline.yaml, or airflow.steps.overrides.IMAGE.resources) or give it less data.",
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
    if evidence.said.code == Code.STORAGE_FULL and evidence.said.service in _SERVICES:
        workload, _, name = _SERVICES[evidence.said.service]
        advice = "Free space on its volume or enlarge it."
        return Cause(Kind.DISK_FULL, f"{name} has no room left.", advice, service=workload)
    told = evidence.said.code == Code.DISK_FULL or bool(
        re.search(r"No space left on device|Errno 28\b", evidence.text)
    )
    wordless = evidence.exit_code == BUG and not (evidence.pod or evidence.said.message or evidence.log)
    if not told and not wordless and evidence.exit_code != OUTPUT_LOST:
        return None
    return Cause(
        Kind.DISK_FULL,
        "The disk that it writes to is full."
        if told
        else "It could not write its output: a full disk does that.",
        "Free space there; a step writes to /tmp alone, which its pod limits.",
        certain=told,
    )


def access_refused(evidence: Evidence) -> Cause | None:
    """Name credentials that a service does not take."""
    if evidence.said.code != Code.ACCESS_REFUSED:
        return None
    _, _, name = _SERVICES.get(evidence.said.service, ("", Kind.SOURCE_DOWN, evidence.said.service))
    return Cause(
        Kind.ACCESS_REFUSED,
        f"{name or 'The service'} is up but refuses the step's credentials.",
        "Compare the Secret that its pod names with the service's own.",
    )


def invalid_input(evidence: Evidence) -> Cause | None:
    """Name what is wrong with an input that a step refused."""
    if evidence.exit_code != INVALID_INPUT:
        return None
    said = evidence.said
    kind, sentence, advice = _REFUSALS.get(
        said.code,
        (
            Kind.INVALID_INPUT,
            "The step refuses its input: {place}.",
            "Look at it there, and mend it or the source.",
        ),
    )
    unsaid = "its sentence says which"
    return Cause(kind, sentence.format(place=said.place or unsaid, service=said.service or unsaid), advice)


def dependency_unavailable(evidence: Evidence) -> Cause | None:
    """Name the service that a step did not reach."""
    if evidence.exit_code != DEPENDENCY_UNAVAILABLE:
        return None
    service = evidence.said.service
    again = "Airflow tries again by itself." if evidence.state == "up_for_retry" else "Then run it again."
    if evidence.said.code == Code.SOURCE_CHANGING:
        return Cause(
            Kind.SOURCE_CHANGING,
            "The source was changed each time while it was being read.",
            f"Wait until it is at rest. {again}",
        )
    if service in _SERVICES:
        workload, kind, name = _SERVICES[service]
        return Cause(
            kind,
            f"{name} was not reached, or did not do what it was asked.",
            f"`make logs SERVICE={workload}` if it is not ready; if it is, look at its address. {again}",
            service=workload,
        )
    host = service.partition(":")[0]
    return Cause(
        Kind.SOURCE_DOWN,
        f"The source {service or 'that the sentence names'} does not answer as it should.",
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
    error = evidence.said.message or evidence.exception or last
    return Cause(
        Kind.CODE_EXCEPTION,
        f"A bug in {where}: {error}",
        "Mend the code; it is not tried again, as it would end the same way.",
        certain=evidence.exit_code is not None,
    )
