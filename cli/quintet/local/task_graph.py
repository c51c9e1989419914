"""Tasks that run at once, each as soon as those that it needs are done."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import FrameType

Task = tuple[Sequence[str], Callable[[], None]]


def run_tasks(tasks: Mapping[str, Task], cancelled: threading.Event) -> None:
    """Do all tasks; at the first failure, or Ctrl-C, cancel the rest and wait until none is at work.

    Only this thread is interrupted: a task that starts a server always gets to write down that it did.

    Args:
        tasks: name -> names of the tasks it needs, which stand before it, and what it does.
        cancelled: is set when the rest is cancelled; long tasks look at it.

    Raises:
        Exception: that of the first task that failed.
    """
    futures: dict[str, Future[None]] = {}

    def do(name: str) -> None:
        needed, work = tasks[name]
        for other in needed:
            if futures[other].exception() is not None:
                return
        if not cancelled.is_set():
            work()

    pool = ThreadPoolExecutor(len(tasks) or 1)
    try:
        for name in tasks:
            futures[name] = pool.submit(do, name)
        done, waiting = wait(futures.values(), return_when=FIRST_EXCEPTION)
    except BaseException:
        _cancel(pool, cancelled)
        raise
    if waiting:
        _cancel(pool, cancelled)
    pool.shutdown()
    for future in done:
        future.result()


def _cancel(pool: ThreadPoolExecutor, cancelled: threading.Event) -> None:
    """Cancel tasks, and wait for them whatever is pressed meanwhile."""
    with undisturbed():
        cancelled.set()
        pool.shutdown()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the body as Ctrl-C does, and Ctrl-C too where a shell ignores it."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else it was started by nohup
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore signals while the body runs: it puts things in order and is short."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
