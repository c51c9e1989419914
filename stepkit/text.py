"""Text that looks the same becomes the same, where data come in and where the API is asked.

It needs the standard library alone: `bundle`, and so the inference API, takes this module of `stepkit` too.
"""

from __future__ import annotations

import unicodedata

_EXCERPT = 200
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""Soft hyphens, joiners, marks of direction, byte order marks: no page shows them."""


def _members(ranges: str) -> list[int]:
    """Returns the code points of what a regular expression would have between brackets."""
    points: list[int] = []
    ends = iter(ranges)
    for end in ends:
        points += range(points.pop(), ord(next(ends)) + 1) if end == "-" else [ord(end)]
    return points


_ALIKE: dict[int, str | None] = {
    **dict.fromkeys(_members(_SPACES), " "),
    **dict.fromkeys(_members(_HYPHENS), "-"),
    ord("\u2019"): "'",
    **dict.fromkeys(_members(_UNSEEN)),
}


def normalise(text: str) -> str:
    """Returns a text as a keyboard writes what it looks like.

    Letters are composed (NFC), each kind of blank is a space, each dash a hyphen, a typographic apostrophe a
    plain one, and characters that nobody sees are gone. Outer blanks and case stay as they are, and so does
    ASCII.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.translate(_ALIKE))


def excerpt(body: bytes) -> str:
    """Returns the beginning of an answer for a sentence: at most 200 bytes of it, on one line."""
    shown = " ".join(body[:_EXCERPT].decode(errors="replace").split())
    return shown + ("…" if len(body) > _EXCERPT else "")
