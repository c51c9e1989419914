"""Moves the files of a folder of this machine to the landing zone, and follows no link on the way."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time
from pathlib import Path

from excel.manifest import fits
from stepkit.errors import Code, InvalidInput
from stepkit.s3 import ObjectStore, split

SETTLED_SECONDS = 2
"""A file of a folder that was written to less long ago may not be whole; the next scan takes it."""
_HIDDEN = (".", "~$")
# Opening a pipe would wait for its other end.
_OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_logger = logging.getLogger(__name__)


class _PassedOver(Exception):
    """Why a file is not taken; the text is a sentence for whoever put it there."""


def take_in(store: ObjectStore, folder: Path, landing_zone: str) -> list[str]:
    """Moves the files of a folder to the landing zone.

    A file stays while it is written to, while it is hidden, and while another of its name waits there. What
    is not a file of its own, such as a link, stays too: its content may be somebody else's.

    Returns:
        What was passed over and why, a sentence each.

    Raises:
        DependencyUnavailable: S3 does not answer.
        InvalidInput: there is no such folder.
    """
    if not folder.is_dir():
        raise InvalidInput(
            f"there is no folder {folder}: correct --landing-folder (LANDING_FOLDER)",
            Code.INVALID_SETTING,
            file=folder,
        )
    passed_over = []
    for place, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        linked = [name for name in folders if _is_link(name, descriptor)]
        for name in sorted([*(name for name in files if not name.startswith(_HIDDEN)), *linked]):
            path = Path(place, name)
            try:
                _take(store, name, descriptor, path.relative_to(folder), landing_zone)
            except (_PassedOver, InvalidInput, OSError) as fault:
                reason = fault.strerror if isinstance(fault, OSError) else fault
                passed_over.append(f"{_shown(path)}: {reason}")
                _logger.warning("%s stays in its folder: %s", _shown(path), reason)
    return passed_over


def _take(store: ObjectStore, name: str, folder: int, relative: Path, landing_zone: str) -> None:
    """Moves one file; what is read is what was opened, whatever its name leads to by then."""
    try:
        uri = landing_zone + relative.as_posix()
        is_key = fits(split(uri)[1])
    except UnicodeEncodeError:
        raise _PassedOver("its name is not UTF-8: rename it") from None
    if not is_key:
        raise _PassedOver("its name is longer than the object store takes: shorten it")
    if _is_link(name, folder):
        raise _PassedOver("it is a link: put the file itself there")
    with os.fdopen(os.open(name, _OPENING, dir_fd=folder), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise _PassedOver("it is not a file: remove it")
        if found.st_nlink > 1:
            raise _PassedOver("it has a second name elsewhere, a hard link: put a copy there")
        if time.time() - found.st_mtime < SETTLED_SECONDS:
            _logger.info("%s was written to just now: the next scan takes it", relative)
            return
        if store.look(uri) is None:
            store.upload_open(file, uri)
        elif hashlib.sha256(store.get(uri)).digest() != hashlib.file_digest(file, "sha256").digest():
            _logger.info("%s waits: another file of its name is in the landing zone", relative)
            return
        if _same(found, os.fstat(file.fileno())) and _same(found, _look(name, folder)):
            os.unlink(name, dir_fd=folder)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """Returns whether two looks saw one file, with the same content."""
    return os.path.samestat(one, other) and (one.st_size, one.st_mtime_ns) == (
        other.st_size,
        other.st_mtime_ns,
    )


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(_look(name, folder).st_mode)


def _look(name: str, folder: int) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _shown(path: Path) -> str:
    """Returns a path with what is not text of it, or steers a terminal, as Python would write it."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
