"""What keeps a process that reads a stranger's file from the secrets of the one that started it."""

from __future__ import annotations

import ctypes
import os
import sys

_SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES = 4, 38
_CAPABILITY_VERSION_3 = 0x20080522


def hide() -> None:
    """Closes this process' environment and memory to others of its user, who could read them in `/proc`.

    It holds until the process ends. Where there is no `/proc`, on other systems than Linux, it does nothing.

    Raises:
        OSError: the kernel refuses it.
    """
    if sys.platform == "linux":
        _call("prctl", _SET_DUMPABLE, 0, 0, 0, 0)


def give_up_rights() -> None:
    """Takes from this process, for ever, what root may do more than others: root reads what `hide` closes.

    Raises:
        OSError: the kernel refuses it.
    """
    if sys.platform == "linux":
        _call("prctl", _SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        _call("capset", header, (ctypes.c_uint32 * 6)())


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
