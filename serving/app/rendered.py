"""Answers that depend on no request: rendered once for what they are made of."""

from collections.abc import Callable
from operator import is_not
from typing import Any


class Rendered:
    """One answer; for one thread."""

    def __init__(self, parts: Callable[[], tuple[Any, ...]], render: Callable[..., bytes]) -> None:
        """Prepares.

        Args:
            parts: returns what the answer is made of at this moment: objects that are replaced, not changed.
            render: Makes the answer of them.
        """
        self._parts, self._render = parts, render
        self._made_of: tuple[Any, ...] | None = None
        self._answer = b""

    def __call__(self) -> bytes:
        """Returns the answer, which is rendered again when a part was replaced."""
        parts = self._parts()
        if self._made_of is None or any(map(is_not, parts, self._made_of)):
            self._answer = self._render(*parts)
            self._made_of = parts
        return self._answer
