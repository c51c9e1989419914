"""What is known of a task that did not do its work, from wherever its step ran."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dags.pod_report import PodReport

LOG_LINES = 8
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True)
class Said:
    """What a step said at its end: the fields of `stepkit.errors.StepError`; empty where it knew nothing.

    Attributes:
        message: the step's sentence.
        code: one of `stepkit.errors.Code`, or one that a newer step knows.
        file: S3 URI, URL, path or table that holds what is wrong.
        row: its number there.
        column: as the source names it.
        service: `s3`, `postgres`, `mlflow`, or a source's host and port.
    """

    message: str = ""
    code: str = ""
    file: str = ""
    row: int | None = None
    column: str = ""
    service: str = ""

    @classmethod
    def of(cls, result: str) -> "Said":
        """Read what a step left as its result; a text that is not such JSON is its message."""
        fields = parse_object(result)
        return cls.of_fields(fields) if "message" in fields else cls(result)

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> "Said":
        """Read the fields of an ending; others, which a newer step may know, are passed over."""
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__ if name in fields})

    @property
    def place(self) -> str:
        """File, row and column in a few words; nothing when none is known."""
        row = f"row {self.row}" if self.row else ""
        column = f"column {self.column}" if self.column else ""
        return ", ".join(filter(None, (self.file, row, column)))


@dataclass(frozen=True)
class Evidence:
    """The facts about one try of one task, or about a run or DAG that has started none.

    Attributes:
        task: its id, with the index of a mapped one in brackets; empty for a run without tasks.
        state: Airflow's, such as `failed`, `up_for_retry`, `deferred`; a local step's is named likewise.
        attempt: number of the try.
        attempts: how many there are at most.
        seconds: since its start, until its end if it has ended; None when it has not started.
        exit_code: of the step; None when it did not start or did not end.
        signal: name of the one that ended the step's process, such as SIGKILL.
        said: what the step said at its end.
        exception: what Airflow recorded.
        pod: of the step, where there is one.
        log: the last lines of the step, or of Airflow when the step left none.
        traceback: that the step logged.
        paused: whether its DAG is.
        behind: the run that it waits for, as one run of a DAG is active at a time.
        pool: the pool that it waits for, and who has its slots.
        import_error: what Airflow got when it read the DAG file.
    """

    task: str
    state: str
    attempt: int = 1
    attempts: int = 1
    seconds: float | None = None
    exit_code: int | None = None
    signal: str = ""
    said: Said = Said()
    exception: str = ""
    pod: PodReport | None = None
    log: tuple[str, ...] = ()
    traceback: str = ""
    paused: bool = False
    behind: str = ""
    pool: str = ""
    import_error: str = ""

    @property
    def text(self) -> str:
        """Everything that was said of the failure, to look for a phrase in."""
        return "\n".join((self.said.message, self.exception, self.traceback))


@dataclass(frozen=True)
class Run:
    """A run of a DAG; its state is Airflow's word: queued, running, success, failed."""

    dag: str
    id: str
    state: str


class Runs(Protocol):
    """Where runs are remembered: on a platform, or in a folder of this machine."""

    def dags(self) -> set[str]:
        """Return the ids of all DAGs."""
        ...

    def latest(self, dag: str) -> list[Run]:
        """Return the latest runs that failed or have not ended, the latest first; of a DAG, or of all."""
        ...

    def named(self, run: str) -> list[Run]:
        """Return the runs with an id, which runs of several DAGs may share."""
        ...

    def evidence(self, run: Run) -> Iterable[Evidence]:
        """Return what is known of each task that did not succeed, the most telling first."""
        ...

    def broken_files(self, dag: str) -> Iterable[Evidence]:
        """Return the DAG files that cannot be read; that of a DAG, or all."""
        ...

    def service_state(self, service: str) -> str:
        """Return in a few words how a service of the platform is now; nothing when that is not known."""
        ...


@dataclass(frozen=True)
class StepLog:
    """What a step's log tells.

    Attributes:
        lines: the last ones, as a person reads them.
        traceback: of the exception that ended the step.
        ending: the result of a step that did not end well, as it was printed.
    """

    lines: tuple[str, ...] = ()
    traceback: str = ""
    ending: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str]) -> "StepLog":
        """Read the lines that a step wrote; most are JSON objects of `stepkit.log`."""
        read: list[str] = []
        traceback = ""
        ending: Mapping[str, Any] = {}
        for line in lines:
            fields = parse_object(line)
            if is_ending(fields):
                ending = fields
            if not {"level", "message"} <= fields.keys():
                # An object without them is the step's result, which is told apart from its log.
                read.append("" if fields else line.rstrip())
                continue
            traceback = str(fields.get("exception", traceback))
            read.append(f"{str(fields.get('time', ''))[11:19]} {fields.get('level', '')} {fields['message']}")
        if not traceback and _TRACEBACK in read:  # raised before the step's own logging began
            traceback = "\n".join(read[read.index(_TRACEBACK) :])
        return cls(tuple(filter(None, read))[-LOG_LINES:], traceback, ending)


def is_ending(fields: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is what a step leaves that did not end well."""
    return {"message", "exit_code"} <= fields.keys()


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object that a text is, or an empty one."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
