"""What may be shown: texts of sources, files and pods must not steer the terminal of whoever reads them."""

import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

# C0 but for line ends and tabs, DEL, C1 (which holds one-character control sequences), marks that turn the
# reading direction, Unicode's own line ends, and halves of characters, which no stream can encode.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Return a text with each control character as Python would write it, ESC as a backslash and ``x1b``."""
    return _UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


class Guarded:
    """A stream that escapes what is written to it; all else is the stream's own.

    Args:
        stream: to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text with its control characters escaped."""
        self.stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def guard() -> None:
    """Escape whatever this process prints from now on, the tracebacks of its bugs too."""
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, Guarded) else cast(TextIO, Guarded(stream))
        for stream in (sys.stdout, sys.stderr)
    )


def raw(stream: TextIO) -> TextIO:
    """Return the stream that takes control sequences of our own."""
    return stream.stream if isinstance(stream, Guarded) else stream
