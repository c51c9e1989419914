"""How much memory a local platform takes, with all that it starts."""

import contextlib
import threading

import psutil

from quintet.local.state import State

SECONDS = 0.5


class PeakMemory:
    """Watches this process, the services of a state and everything below them while the `with` block runs.

    A page that several processes share counts once (PSS), where the kernel tells; else each resident page.

    Attributes:
        bytes: the most that was seen at one time.
    """

    def __init__(self, state: State) -> None:
        self.bytes = 0
        self._state = state
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(SECONDS):
            self.bytes = max(self.bytes, self._now())

    def _now(self) -> int:
        roots = [psutil.Process(), *(entry.process for entry in self._state.running().values())]
        family: set[psutil.Process] = set()
        for root in filter(None, roots):
            with contextlib.suppress(psutil.Error):
                family |= {root, *root.children(recursive=True)}
        return sum(_size(process) for process in family)


def _size(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        try:
            return int(process.memory_full_info().pss)
        except (psutil.AccessDenied, AttributeError):
            return int(process.memory_info().rss)
    return 0
