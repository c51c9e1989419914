"""Secrets as a text may hold them: whole, in parts, quoted for a URL, or in base64."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Characters of a part that is searched for: a shorter one is found in any text."""


def found_in(text: str, secrets: Iterable[str]) -> set[str]:
    """Return the secrets that a text holds, whole or in part, in one of the ways in which it may be written.

    Args:
        text: of a log, a file or an answer.
        secrets: parts of one between characters that are not letters or digits count as well, but not of a
            URL, whose password is a secret for itself.
    """
    return {secret for secret in secrets if any(form in text for form in _forms(secret))}


def _forms(secret: str) -> set[str]:
    parts = [] if "://" in secret else re.split("[^A-Za-z0-9]+", secret)
    forms = {secret, *(part for part in parts if len(part) >= SHORTEST)}
    forms |= {quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], secret.encode().hex()}
    return forms | {form for at in range(3) if (form := _in_base64(secret.encode(), at))}


def _in_base64(content: bytes, at: int) -> str:
    """Return what base64 makes of the content wherever it begins `at` bytes after a multiple of three."""
    encoded = base64.b64encode(b"\0" * at + content).decode()
    first, last = (0, 2, 3)[at], len(encoded) - (0 if (at + len(content)) % 3 == 0 else 4)
    return encoded[first:last]
