"""The wheels of `make package`: the command line with all of the platform, and what steps stand on."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

import yaml

from quintet.paths import PLATFORM
from run_in import environment

PARTS = (
    *("airgap", "bundle", "charts", "cli", "dags", "images", "manifests", "serving", "sources", "stepkit"),
    *(".dockerignore", "pipelines/pipeline.schema.json"),
    *("tests/requirements.lock", "tests/dags/requirements.lock"),
)
"""What the command line needs of a checkout: all but the samples, and what only the checkout is tested by."""
STARTERS = PLATFORM / "cli" / "quintet" / "starters"
PROJECT = Template("""\
[project]
name = "$name"
version = "$version"
description = "$description"
requires-python = ">=3.11,<3.14"
license = "Apache-2.0"
license-files = ["LICENSE"]
dependencies = $dependencies

$more
[build-system]
# That of the uv which builds: with another range it would be fetched.
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-root = ""
module-name = $modules
""")


def build(target: Path) -> list[Path]:
    """Build both wheels and return them; the same files give the same bytes.

    Args:
        target: the folder that takes them.
    """
    with tempfile.TemporaryDirectory(prefix="quintet-wheels-") as name:
        command_line, steps = Path(name, "command-line"), Path(name, "steps")
        _stage_command_line(command_line)
        _stage_steps(steps)
        uv = [str(environment("uv") / "bin" / "uv"), "build", "--quiet", "--wheel"]
        for staged in (command_line, steps):
            subprocess.run([*uv, "--out-dir", f"{name}/built", str(staged)], check=True)
        target.mkdir(parents=True, exist_ok=True)
        return [
            Path(shutil.copy(wheel, target / wheel.name))
            for wheel in sorted(Path(name, "built").glob("*.whl"))
        ]


def _stage_command_line(folder: Path) -> None:
    """Write what the wheel `quintet` is built from: the platform's files, each where the checkout has it."""
    package = folder / "quintet_platform"
    for part in PARTS:
        source = PLATFORM / part
        if source.is_dir():
            shutil.copytree(source, package / part, ignore=_ignored)
        else:
            (package / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, package / part)
    (package / "__init__.py").write_text('"""The files of Quintet, each where its checkout has it."""\n')
    scripts = '[project.scripts]\nquintet = "quintet_platform.cli.entry:main"\n'
    about = "Quintet's command line, with all that pipelines in a repository of their own need"
    _describe(folder, "quintet", about, ["quintet_platform"], more=scripts)


def _stage_steps(folder: Path) -> None:
    """Write what the wheel `quintet-steps` is built from, for editors and notebooks."""
    for part in ("stepkit", "bundle"):
        shutil.copytree(PLATFORM / part, folder / part, ignore=_ignored)
    every = list(_requirements(STARTERS / "ingest" / "requirements.in"))
    train = json.dumps(list(_requirements(STARTERS / "train" / "requirements-train.in")))
    about = "What steps of Quintet's pipelines stand on: stepkit and bundle"
    more = f"[project.optional-dependencies]\ntrain = {train}\n"
    _describe(folder, "quintet-steps", about, ["stepkit", "bundle"], every, more)


def _describe(
    folder: Path,
    name: str,
    description: str,
    modules: list[str],
    dependencies: Sequence[str] = (),
    more: str = "",
) -> None:
    chart = yaml.safe_load((PLATFORM / "charts/quintet/Chart.yaml").read_text(encoding="utf-8"))
    values = {"modules": json.dumps(modules), "dependencies": json.dumps(list(dependencies))}
    text = PROJECT.substitute(values, name=name, version=chart["version"], description=description, more=more)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    shutil.copyfile(PLATFORM / "LICENSE", folder / "LICENSE")


def _requirements(file: Path) -> Iterator[str]:
    """Yield the requirements that a file names itself."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return (line for line in lines if line and line[0] not in "#-")


def _ignored(folder: str, names: list[str]) -> list[str]:
    """Return what is left out: what Python leaves behind, links to samples, and the umbrella's to charts."""
    left_out = (PLATFORM / "pipelines", PLATFORM / "charts" / "quintet" / "charts")
    return [name for name in names if name == "__pycache__" or Path(folder, name).resolve() in left_out]
