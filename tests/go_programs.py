"""Programs of Go in folders of the tests, on the libraries of Kubernetes and of image registries."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from quintet.paths import cache_dir


def built(source: Path) -> Path:
    """Return the program of a folder, which is built when the folder's content is new."""
    content = b"".join(path.read_bytes() for path in sorted(source.iterdir()))
    program = cache_dir("tools") / f"{source.name}-{hashlib.sha256(content).hexdigest()[:12]}" / source.name
    if not program.exists():
        go = shutil.which("go")
        assert go, f"Install Go: it builds {source}, which stands on a library of Go."
        subprocess.run([go, "build", "-o", program, "."], cwd=source, check=True)
    return program


def asked(program: Path, question: Any) -> Any:
    """Return the JSON that a program answers to JSON."""
    result = subprocess.run([program], input=json.dumps(question), capture_output=True, text=True, check=True)
    return json.loads(result.stdout)
