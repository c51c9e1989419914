"""What can go wrong, and how it is told."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What went wrong, in the words that people search for."""

    ACCESS_REFUSED = "access refused"
    AT_WORK = "at work"
    CODE_EXCEPTION = "code exception"
    DEADLINE = "time limit passed"
    DISK_FULL = "disk full"
    EMPTY_INPUT = "empty input"
    EVICTED = "pod evicted"
    FIELDS_CHANGED = "source changed its fields"
    IMAGE_MISSING = "image missing"
    IMPORT_ERROR = "DAG import error"
    INPUT_MISSING = "input missing"
    INPUT_REPLACED = "input replaced"
    INVALID_INPUT = "invalid input"
    MLFLOW_DOWN = "MLflow down"
    OUT_OF_MEMORY = "OOM kill"
    PAUSED = "DAG paused"
    POD_GONE = "pod gone"
    POD_REFUSED = "pod refused"
    POSTGRES_DOWN = "Postgres down"
    QUOTA_EXCEEDED = "quota exceeded"
    REQUEST_REFUSED = "request refused"
    S3_DOWN = "S3 down"
    SECRET_MISSING = "missing secret"  # noqa: S105 - names what is missing
    SKIPPED = "skipped"
    SOURCE_CHANGING = "source changing"
    SOURCE_DOWN = "source down"
    START_TIMEOUT = "start time-out"
    STATE_CONFLICT = "state conflict"
    STOPPED = "told to stop"
    TAKEN_FOR_KILLED = "taken for killed"
    TOO_LITTLE_DATA = "too little data"
    UNKNOWN = "unknown"
    UNREADABLE_INPUT = "unreadable input"
    UNSCHEDULABLE = "unschedulable"
    UNUSABLE_MODEL = "unusable model"
    UNTRUSTED_CERTIFICATE = "untrusted certificate"
    UPSTREAM_FAILED = "upstream failed"
    WAITS_FOR_POOL = "waits for the pool"
    WAITS_FOR_RUN = "waits for another run"
    WRONG_SETTING = "wrong setting"


@dataclass(frozen=True)
class Cause:
    """Why a task did not do its work, and what to do.

    Attributes:
        kind: what went wrong.
        sentence: the same for a person, with names.
        advice: what to do.
        certain: whether the evidence leaves no other reading.
        service: the workload of the platform whose state matters now, or nothing.
    """

    kind: Kind
    sentence: str
    advice: str
    certain: bool = True
    service: str = ""
