"""What is known of a task that did not do its work, from wherever its step ran."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from dags.pod_report import PodReport

LOG_LINES = 8
_TRACEBACK = "Traceback (most recent call last):"


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
        said: the step's own sentence.
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
    said: str = ""
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
        return "\n".join((self.said, self.exception, self.traceback))


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
        """Say in a few words how a service of the platform is now; nothing when that is not known."""
        ...


@dataclass(frozen=True)
class StepLog:
    """What a step's log tells.

    Attributes:
        lines: the last ones, as a person reads them.
        traceback: of the exception that ended the step.
    """

    lines: tuple[str, ...] = ()
    traceback: str = ""

    @classmethod
    def of(cls, lines: Iterable[str]) -> "StepLog":
        """Read the lines that a step wrote; most are JSON objects of `stepkit.log`."""
        read: list[str] = []
        traceback = ""
        for line in lines:
            fields = parse_object(line)
            if "message" not in fields:
                # An object without one is the step's result, which is told apart from its log.
                read.append("" if fields else line.rstrip())
                continue
            traceback = str(fields.get("exception", traceback))
            read.append(f"{str(fields.get('time', ''))[11:19]} {fields.get('level', '')} {fields['message']}")
        if not traceback and _TRACEBACK in read:  # raised before the step's own logging began
            traceback = "\n".join(read[read.index(_TRACEBACK) :])
        return cls(tuple(filter(None, read))[-LOG_LINES:], traceback)


@dataclass(frozen=True)
class Place:
    """Where in its input a step found what it refuses; empty where its sentence does not say.

    Attributes:
        file: S3 URI, URL or path.
        row: such as `row 3` or `line 4`.
        column: as the source names it.
    """

    file: str = ""
    row: str = ""
    column: str = ""

    @classmethod
    def of(cls, sentence: str) -> "Place":
        """Find file, row and column in a refusal, which names them by contract."""
        sentence = re.sub(r"line \d+ column \d+ \(char \d+\)", "", sentence)  # where a parser of JSON gave up
        kept = re.search(r"\(the whole answer: (\S+?)\)", sentence)
        named = re.search(r"(?:s3|https?|file)://[^\s,;)]+|(?<![\w.'])/[^\s:,;)]+", sentence)
        row = re.search(r"\b(?:row|line) \d+", sentence)
        column = re.search(r"\bcolumn ([^\s:,]+)", sentence)
        return cls(
            file=kept.group(1) if kept else named.group().rstrip(":.") if named else "",
            row=row.group() if row else "",
            column=column.group(1) if column else "",
        )


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object that a text is, or an empty one."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def sentence_of(result: str) -> str:
    """Return the sentence in what a step left as its result, or the text itself when it is no JSON."""
    fields = parse_object(result)
    return str(fields.get("error") or fields.get("skipped") or result)
