"""What the images of a pipeline's steps are built from, wherever its folder is."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from quintet.paths import PLATFORM
from quintet.pipelines import Pipeline
from quintet.skaffold import skaffold

PARTS = (".dockerignore", "images", "stepkit", "bundle", "cli/quintet/imports.py", "cli/uv-requirements.lock")
"""Of the platform: what the Dockerfiles of steps, and of what they stand on, copy."""
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", ".git", "tests")


@contextlib.contextmanager
def step_context(pipeline: Pipeline) -> Iterator[Path]:
    """Make a folder as the checkout would be with this pipeline alone; it goes when the block ends.

    An image has the tag of the same content in a checkout: paths below the folder are part of it, and the
    folder's own is not.
    """
    with tempfile.TemporaryDirectory(prefix="quintet-") as made:
        context = Path(made)
        for part in PARTS:
            source, target = PLATFORM / part, context / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=LEFT_OUT)
            else:
                shutil.copy2(source, target)
        folder = context / "pipelines" / pipeline.name
        shutil.copytree(pipeline.folder, folder, ignore=LEFT_OUT)
        text = skaffold({pipeline.name: Pipeline(folder, pipeline.given)})
        (context / "skaffold.yaml").write_text(text, encoding="utf-8")
        yield context
