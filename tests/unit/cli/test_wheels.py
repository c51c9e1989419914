"""What `quintet deploy` gives to Docker and Helm is the same from an installed wheel as from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quintet import wheels
from quintet.paths import PLATFORM
from run_in import environment
from tests.charts.render import Manifest, of_kind, render

BASE = {"BASE_IMAGE": "debian", "DEBIAN_SNAPSHOT": ""}
PLAN = """
import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

from quintet.kind.images import plan
from quintet.kind.step_context import step_context
from quintet.ops import deploy

pipeline = deploy.chosen("")
with step_context(pipeline) as context:
    names = [step.image for step in pipeline.steps.values()]
    planned = plan(json.loads(sys.argv[1]), names, context)
    files = {
        str(file.relative_to(context)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in context.rglob("*")
        if file.is_file()
    }
references = {name: f"registry.test/{name}:{tag}" for name, tag in planned.tags.items()}
images = {name: f"registry.test/{name}:1" for name in deploy.SERVERS}
values = deploy.values_of(pipeline, SimpleNamespace(values={"global": {"images": images}}), references)
chart = str(deploy.CHART)
print(json.dumps({"tags": planned.tags, "files": files, "values": values, "chart": chart}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The platform's files as an installer lays them out."""
    folder = tmp_path_factory.mktemp("installed")
    wheel, _ = wheels.build(folder / "dist")
    uv = [str(environment("uv") / "bin" / "uv"), "pip", "install", "--quiet", "--offline", "--no-deps"]
    target = ["--compile-bytecode", "--python", sys.executable, "--target", str(folder / "site")]
    subprocess.run([*uv, *target, str(wheel)], check=True)
    return folder / "site" / "quintet_platform"


@pytest.mark.parametrize("kind", ["files", "train"])
def test_images_values_and_objects_are_those_of_the_checkout(
    kind: str, installed: Path, tmp_path: Path
) -> None:
    of_installed = handed_over(installed, kind, tmp_path / "installed")
    of_checkout = handed_over(PLATFORM, kind, tmp_path / "checkout")
    assert {"base", "build", "snow-load" if kind == "files" else "snow-train"} <= of_checkout["tags"].keys()
    assert of_installed == of_checkout


def handed_over(root: Path, kind: str, team: Path) -> dict[str, Any]:
    """What `quintet new` and `quintet deploy` of these files make in a team's folder."""
    team.mkdir()
    run(root, team, "-m", "quintet", "new", "snow", "--kind", kind)
    made: dict[str, Any] = json.loads(run(root, team, "-c", PLAN, json.dumps(BASE)))
    chart = Path(made.pop("chart"))
    assert chart.is_relative_to(root)
    values: dict[str, Any] = made["values"]
    # Passwords that Helm would make differ between any two renders.
    names = {secret["metadata"]["name"] for secret in of_kind(rendered(chart, values), "Secret")}
    values["global"]["secrets"] = {"generate": False, "existing": {name: f"own-{name}" for name in names}}
    objects = rendered(chart, values)
    assert {"Job", "ConfigMap"} <= {each["kind"] for each in objects}
    return {**made, "objects": objects}


def rendered(chart: Path, values: dict[str, Any]) -> tuple[Manifest, ...]:
    return render(str(chart), values, samples=False, release="snow")


def run(root: Path, team: Path, *words: str) -> str:
    """Runs Python with the command line of a root, in a team's folder."""
    paths = os.pathsep.join([str(root), str(root / "cli")])
    done = subprocess.run(
        [sys.executable, *words],
        cwd=team,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
