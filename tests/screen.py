"""A terminal, as far as a program can tell that writes to it."""

from __future__ import annotations

import io
import time

SECONDS = 60


class Screen(io.StringIO):
    """A terminal's stream, which remembers what is written to it."""

    def isatty(self) -> bool:
        return True


def await_picture(screen: Screen, *texts: str) -> None:
    """Waits until one picture holds all texts, of those that were drawn one over the other."""
    deadline = time.monotonic() + SECONDS
    while not any(all(text in picture for text in texts) for picture in screen.getvalue().split("\r")):
        assert time.monotonic() < deadline, screen.getvalue()
        time.sleep(0.01)
