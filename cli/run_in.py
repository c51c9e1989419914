"""Run Python in one of the project's environments, which is made from its locks the first time.

``python3 cli/run_in.py dev -m pytest`` needs nothing but Python 3.11 to 3.13. ``forest+test`` is the Python
of ``forest`` that finds the packages of ``test`` too. An environment's folder is named by the hash of its
locks. It counts as made once it holds ``complete``: a broken-off one is made again. The pipelines are those
of the workspace, see ``quintet.paths``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from quintet.paths import PIPELINES, PLATFORM, WORKSPACE, pipeline_folders


def _of_folders() -> dict[str, list[str]]:
    """Return the environments that need no line here: of each pipeline, and of each source of our own."""
    return {
        **{folder.name: [_widest(folder)] for folder in pipeline_folders(WORKSPACE)},
        **{lock.parent.name: [_shown(lock)] for lock in PLATFORM.glob("sources/*/requirements.lock")},
    }


def _widest(folder: Path) -> str:
    """Return the lock of an environment in which every step of a pipeline runs.

    It is the one `requirements-*.lock`, which holds what `requirements.lock` does and more; else that one.
    """
    wider = list(folder.glob("requirements-*.lock"))
    return _shown(wider[0] if len(wider) == 1 else folder / "requirements.lock")


def _shown(lock: Path) -> str:
    return (lock.relative_to(PLATFORM) if lock.is_relative_to(PLATFORM) else lock).as_posix()


ENVIRONMENTS = {
    # In these the programs of images run without a cluster.
    **_of_folders(),
    "mlflow": ["images/mlflow/requirements.lock"],
    "serving": ["serving/requirements.lock"],
    "uv": ["cli/uv-requirements.lock"],
    "cli": ["cli/requirements.lock"],
    "dev": ["requirements-dev.lock"],
    "airflow": ["images/airflow/requirements.lock", "tests/dags/requirements.lock"],
    # What a test of a step needs beside the step's own environment: `forest+test`.
    "test": ["tests/requirements.lock"],
    # Beside the developer's environment: `dev+mutation`, by which `make mutants` changes code.
    "mutation": ["tests/mutation-requirements.lock"],
    # A C compiler, for machines without one.
    "compiler": ["cli/compiler-requirements.lock"],
    # The servers that bench/serving compares ours with.
    "bench-mlflow": ["bench/serving/requirements/mlflow.lock"],
    "bench-mlserver": ["bench/serving/requirements/mlserver.lock"],
    "bench-bentoml": ["bench/serving/requirements/bentoml.lock"],
    "bench-kserve": ["bench/serving/requirements/kserve.lock"],
    "bench-schemathesis": ["bench/serving/requirements/schemathesis.lock"],
}
IMPORT_ROOTS = [PLATFORM, PIPELINES, *(PLATFORM / root for root in ("sources", "serving", "cli"))]


def main() -> None:
    """Make the environment named first on the command line and become its Python, with the rest."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found = "{}.{}".format(*sys.version_info)
        sys.exit(
            f"Python 3.11 to 3.13 is needed and {found} is here: install one, or run make PYTHON=<path>."
        )
    for what, folder in (("this checkout", PLATFORM), ("the pipelines", PIPELINES)):
        if os.pathsep in str(folder):
            sys.exit(
                f"The path of {what}, {folder}, holds {os.pathsep!r}, which divides Python's search path:"
                " move it elsewhere."
            )
    names, *arguments = sys.argv[1:]
    name, *others = names.split("+")
    if unknown := [each for each in (name, *others) if each not in ENVIRONMENTS]:
        sys.exit(f"There is no Python environment {unknown[0]}: there are {', '.join(sorted(ENVIRONMENTS))}.")
    python = environment(name) / "bin" / "python"
    roots = list(map(str, IMPORT_ROOTS))
    roots += [str(_packages(environment(other))) for other in others]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
    # Else each process compiles all that it imports; the environments are ours to keep it in.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    if shutil.which("cc") is None:
        # What it is needed for: bundle/engines/native.py. The environment is made when it is first called.
        this_file = str(Path(__file__).resolve())
        variables.setdefault("CC", shlex.join([sys.executable, this_file, "compiler", "-m", "ziglang", "cc"]))
    os.execve(python, [str(python), *arguments], variables)  # noqa: S606 - our own Python


def folder_of(name: str) -> Path:
    """Return the folder of an environment, which may not be made yet.

    Args:
        name: a key of ``ENVIRONMENTS``.
    """
    version = "{}.{}".format(*sys.version_info)
    locks = [(PLATFORM / lock).read_bytes() for lock in ENVIRONMENTS[name]]
    digest = hashlib.sha256(b"".join([version.encode(), *locks])).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "quintet" / "venvs" / f"{name}-{digest}"


def is_made(name: str) -> bool:
    """Return whether an environment is there."""
    return (folder_of(name) / "complete").exists()


def environment(name: str) -> Path:
    """Return the folder of an environment, making it when its locks have none yet.

    Args:
        name: a key of ``ENVIRONMENTS``.
    """
    folder = folder_of(name)
    if is_made(name):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made(name):
            _make(name, folder)
    return folder


def _packages(folder: Path) -> Path:
    return folder / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"


def _make(name: str, folder: Path) -> None:
    installer = ["-m", "pip", "install", "-q"]
    if name != "uv":
        uv = environment("uv") / "bin" / "uv"
        installer = [str(uv), "pip", "install", "-q", "--python", str(folder / "bin" / "python")]
    print(
        f"Making the Python environment {name} (once for each change of its lock)...",
        file=sys.stderr,
        flush=True,
    )
    shutil.rmtree(folder, ignore_errors=True)
    requirements = [option for lock in ENVIRONMENTS[name] for option in ("-r", str(PLATFORM / lock))]
    try:
        # Only the first one needs pip, which takes most of the time that an empty environment takes.
        pip = [] if name == "uv" else ["--without-pip"]
        subprocess.run([sys.executable, "-m", "venv", *pip, str(folder)], check=True)
        command = [str(folder / "bin" / "python"), *installer] if name == "uv" else installer
        subprocess.run([*command, "--require-hashes", *requirements], check=True)
    except subprocess.CalledProcessError:
        sys.exit(f"The Python environment {name} could not be made, see above: run the command again.")
    (folder / "complete").touch()


if __name__ == "__main__":
    main()
