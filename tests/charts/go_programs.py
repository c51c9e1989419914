"""Programs of Go in folders here, which judge pods by Kubernetes' own libraries."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from quintet.paths import cache_dir


def built(name: str) -> Path:
    """Return the program of the folder of this name, which is built when its content is new."""
    source = Path(__file__).with_name(name)
    content = b"".join(path.read_bytes() for path in sorted(source.iterdir()))
    program = cache_dir("tools") / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}" / name
    if not program.exists():
        go = shutil.which("go")
        assert go, f"Install Go: it builds tests/charts/{name}, which stands on Kubernetes' own library."
        subprocess.run([go, "build", "-o", program, "."], cwd=source, check=True)
    return program


def asked(program: Path, question: Any) -> Any:
    """Return the JSON that a program answers to JSON."""
    result = subprocess.run([program], input=json.dumps(question), capture_output=True, text=True, check=True)
    return json.loads(result.stdout)
