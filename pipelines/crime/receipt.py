"""What a try of a run has received, so that the next one, after a kill, need not ask for it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from crime.downloads import Download
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings


@dataclass(frozen=True)
class Receipt:
    """A download whose files are in S3, but for the window's.

    Attributes:
        download: what is to be recorded.
        removed: ids of crimes that were taken out of the window.
    """

    download: Download
    removed: list[int] = field(default_factory=list)

    def write(self, store: ObjectStore, uri: str, settings: Settings) -> None:
        """Leaves the receipt for another try of the run."""
        document = {"run": _run(settings), "download": self.download.to_json(), "removed": self.removed}
        store.put(uri, json.dumps(document).encode(), "application/json")

    @classmethod
    def find(cls, store: ObjectStore, uri: str, settings: Settings) -> Receipt | None:
        """Reads the receipt of this run; None when there is none, or another run's."""
        if not store.exists(uri):
            return None
        document = json.loads(store.get(uri))
        if document["run"] != _run(settings):
            return None
        return cls(Download.from_json(document["download"]), document.get("removed", []))


def _run(settings: Settings) -> dict[str, str | None]:
    return {"dag_id": settings.run.dag_id, "run_id": settings.run.run_id}
