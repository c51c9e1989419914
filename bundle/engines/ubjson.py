"""Universal Binary JSON, as XGBoost writes it, read strictly: what is not of its form is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import BundleError

_DEEPEST = 16
_INTEGERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8"}
_TYPED = {b"d": ">f4", b"D": ">f8", **_INTEGERS}


def read(content: bytes, name: str) -> Any:
    """Returns the value that a file holds: dicts, lists, strings, integers, and arrays of numbers as numpy's.

    Args:
        content: the whole file.
        name: of the file, for a refusal.

    Raises:
        BundleError: it ends too early or too late, holds a mark or a length that cannot stand there, or a
            field twice.
    """
    reader = _Reader(content, name)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(content):
        raise reader.refusal("ends before the file does")
    return value


class _Reader:
    def __init__(self, content: bytes, name: str) -> None:
        self._content, self._name = content, name
        self.at = 0

    def refusal(self, problem: str) -> BundleError:
        return BundleError(f"{self._name} cannot be read: {problem} (byte {self.at} of {len(self._content)})")

    def take(self, count: int) -> bytes:
        taken = self._content[self.at : self.at + count]
        if len(taken) < count:
            raise self.refusal("it is cut off")
        self.at += count
        return taken

    def value(self, mark: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise self.refusal(f"it is nested more than {_DEEPEST} deep")
        if mark == b"{":
            return self._object(depth)
        if mark == b"[":
            return self._array(depth)
        if mark == b"S":
            return self._string()
        if mark in _INTEGERS:
            kind = np.dtype(_INTEGERS[mark])
            return int(np.frombuffer(self.take(kind.itemsize), kind)[0])
        raise self.refusal(f"the mark {mark!r} is not one of a model's")

    def _object(self, depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        while (mark := self.take(1)) != b"}":
            self.at -= len(mark)
            name = self._string()
            if name in fields:
                raise self.refusal(f"the field {name!r} stands twice")
            fields[name] = self.value(self.take(1), depth + 1)
        return fields

    def _array(self, depth: int) -> list[Any] | NDArray[Any]:
        mark = self.take(1)
        kind = None
        if mark == b"$":
            kind, mark = _TYPED.get(self.take(1)), self.take(1)
            if kind is None:
                raise self.refusal("an array is of a type that is not one of a model's")
        if mark != b"#":
            raise self.refusal("an array does not say its length")
        count = self._length()
        if kind is not None:
            size = np.dtype(kind).itemsize
            return np.frombuffer(self.take(count * size), kind)
        if count > len(self._content) - self.at:  # each value takes a byte at least
            raise self.refusal("it is cut off")
        return [self.value(self.take(1), depth + 1) for _ in range(count)]

    def _string(self) -> str:
        try:
            return self.take(self._length()).decode()
        except UnicodeDecodeError:
            raise self.refusal("a string is not UTF-8") from None

    def _length(self) -> int:
        if self.take(1) != b"L":
            raise self.refusal("a length is not 64 bits wide")
        (length,) = struct.unpack(">q", self.take(8))
        if length < 0:
            raise self.refusal("a length is negative")
        return int(length)
