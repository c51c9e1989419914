"""Compiled code: an image brings it; elsewhere this machine's C compiler makes it, once for each source."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from bundle.errors import BundleError

FOREST_WALK = Path(__file__).with_name("forest_walk.c")
OF_THE_IMAGE = Path("/usr/local/lib/quintet")
"""Where `images/base/Dockerfile` puts what it compiled, under the name that `file_name` gives."""


def forest_walk(*, keep_gil: bool) -> ctypes._NamedFuncPointer:
    """Returns the C function `forest_walk`.

    Args:
        keep_gil: hold Python's lock during a call. For calls of some microseconds: a thread that lets go of
            it may wait for milliseconds to have it back.

    Raises:
        BundleError: it is not there, and this machine has no C compiler.
    """
    path = str(_library(FOREST_WALK))
    function = (ctypes.PyDLL(path) if keep_gil else ctypes.CDLL(path)).forest_walk
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [pointer, pointer, count, pointer, count, count, pointer, count, pointer]
    function.restype = ctypes.c_int
    return function


def file_name(source: Path) -> str:
    """Returns a library's name: its source's, and the start of the sha256 of that."""
    return f"{source.stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"


def _library(source: Path) -> Path:
    name = file_name(source)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    compiled = cache / "quintet" / "native" / f"{sys.platform}-{platform.machine()}" / name
    for path in (OF_THE_IMAGE / name, compiled):
        if path.exists():
            return path
    _compile(source, compiled)
    return compiled


def _compile(source: Path, target: Path) -> None:
    """Compiles to a file of another name first: no process meets half a library."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder, target.name)
            command = [*compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(source)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            made.replace(target)
    except subprocess.CalledProcessError as error:
        raise BundleError(f"{source.name} does not compile: {error.stderr.strip()}") from error
    except OSError as error:
        raise BundleError(
            f"{source.name} cannot be compiled to {target}: {error}. Install a C compiler, or name one in CC"
        ) from error
