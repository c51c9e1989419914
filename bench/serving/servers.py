"""The servers that are compared: how each is started, asked and understood."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.serving.models import ROOT, Model
from forest.snapshot import FEATURES, TARGET
from run_in import environment

Rows = Sequence[dict[str, Any]]
_UVICORN = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--workers", "1")


@dataclass(frozen=True)
class Start:
    """How a server process is started."""

    environment: str
    arguments: list[str]
    variables: dict[str, str]

    @property
    def python(self) -> Path:
        """The interpreter, whose environment is made first where it is missing.

        Raises:
            SystemExit: it cannot be made.
        """
        return environment(self.environment) / "bin" / "python"


@dataclass(frozen=True)
class Server:
    """One server; ports are its own and two more that it may need."""

    name: str
    start: Callable[[Model, list[int], Path], Start]
    address: str
    body: Callable[[Rows], dict[str, Any]]
    labels: Callable[[Any], list[int]]
    check: bool = True
    """Whether it must give scikit-learn's labels."""


def _samples(rows: Rows) -> dict[str, Any]:
    return {"samples": list(rows)}


def _columns(rows: Rows) -> dict[str, Any]:
    data = [[row[name] for name in FEATURES] for row in rows]
    return {"dataframe_split": {"columns": list(FEATURES), "data": data}}


def _tensors(rows: Rows) -> dict[str, Any]:
    def tensor(name: str) -> dict[str, Any]:
        values = [row[name] for row in rows]
        text = isinstance(values[0], str)
        tensor = {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": "BYTES" if text else "FP64",
            "data": values,
        }
        return tensor | ({"parameters": {"content_type": "str"}} if text else {})

    return {"parameters": {"content_type": "pd"}, "inputs": [tensor(name) for name in FEATURES]}


def _written(model: Model, engine: str = "scikit-learn", **more: str) -> dict[str, str]:
    """Returns the environment of the services under `peers`."""
    return {"MODEL_FOLDER": str(model.folder), "ENGINE": engine, "PYTHONPATH": str(ROOT), **more}


def our_variables(registry_url: str, ports: list[int], folder: Path) -> dict[str, str]:
    """Returns what our API is told, with a folder for its bundle."""
    return {
        "PYTHONPATH": f"{ROOT / 'serving'}:{ROOT}",
        "MLFLOW_MODEL_NAME": "forest",
        "MLFLOW_TRACKING_URI": registry_url,
        "BUNDLE_CACHE_DIR": str(folder / "cache"),
        "BIND_HOST": "127.0.0.1",
        "PORT": str(ports[0]),
        "ADMIN_PORT": str(ports[1]),
    }


def _ours(model: Model, ports: list[int], folder: Path) -> Start:
    variables = our_variables((folder / "registry").read_text(), ports, folder)
    return Start("serving", ["-m", "app"], variables)


def _uvicorn(environment: str, app: str) -> Callable[[Model, list[int], Path], Start]:
    def start(model: Model, ports: list[int], folder: Path) -> Start:
        arguments = ["-m", "uvicorn", f"bench.serving.peers.{app}:app", "--port", str(ports[0]), *_UVICORN]
        return Start(environment, arguments, _written(model))

    return start


def _mlflow(model: Model, ports: list[int], folder: Path) -> Start:
    path = str(model.folder / "mlflow")
    arguments = ["-m", "mlflow", "models", "serve", "--model-uri", path, "--host", "127.0.0.1"]
    arguments += ["--port", str(ports[0]), "--workers", "1", "--env-manager", "local"]
    programs = environment("bench-mlflow") / "bin"
    return Start("bench-mlflow", arguments, {"PATH": f"{programs}:/usr/bin:/bin"})


def _mlserver(model: Model, ports: list[int], folder: Path) -> Start:
    own = folder / "mlserver"
    own.mkdir()
    for name in ("pipeline.joblib", "model-settings.json"):
        (own / name).symlink_to(model.folder / name)
    names = ("http_port", "grpc_port", "metrics_port")
    settings = {"host": "127.0.0.1", **dict(zip(names, ports, strict=True)), "parallel_workers": 1}
    (own / "settings.json").write_text(json.dumps(settings))
    return Start("bench-mlserver", ["-m", "mlserver.cli.main", "start", str(own)], {})


def _bentoml(engine: str) -> Callable[[Model, list[int], Path], Start]:
    def start(model: Model, ports: list[int], folder: Path) -> Start:
        arguments = ["-m", "bentoml", "serve", "bench.serving.peers.bento:Forest", "--host", "127.0.0.1"]
        own = {"BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
        return Start("bench-bentoml", [*arguments, "--port", str(ports[0])], _written(model, engine, **own))

    return start


def _kserve(engine: str) -> Callable[[Model, list[int], Path], Start]:
    def start(model: Model, ports: list[int], folder: Path) -> Start:
        arguments = ["-m", "bench.serving.peers.kserve_model", "--http_port", str(ports[0])]
        return Start("bench-kserve", arguments, _written(model, engine))

    return start


def _predictions(answer: Any) -> list[int]:
    labels: list[int] = answer["predictions"]
    return labels


def _instances(rows: Rows) -> dict[str, Any]:
    return {"instances": list(rows)}


def _rows(rows: Rows) -> dict[str, Any]:
    return {"rows": list(rows)}


KSERVE, BENTOML = "/v1/models/forest:predict", "/predict"
ECHO_AND_ENGINE = "echo + our engine"
QUINTET, ECHO, MLFLOW, PLAIN = "Quintet", "echo", "mlflow models serve", "FastAPI + scikit-learn"
SERVERS = (
    Server(
        QUINTET, _ours, "/predict", _samples, lambda answer: [each[TARGET] for each in answer["predictions"]]
    ),
    Server(ECHO, _uvicorn("serving", "echo"), "/predict", _samples, lambda answer: [], check=False),
    Server(
        ECHO_AND_ENGINE,
        _uvicorn("serving", "echo_and_engine"),
        "/predict",
        _samples,
        lambda answer: [],
        check=False,
    ),
    Server(MLFLOW, _mlflow, "/invocations", _columns, _predictions),
    Server(
        "MLServer",
        _mlserver,
        "/v2/models/forest/infer",
        _tensors,
        lambda answer: [int(value) for value in answer["outputs"][0]["data"]],
    ),
    Server("BentoML", _bentoml("scikit-learn"), BENTOML, _rows, list),
    Server("BentoML + our engine", _bentoml("quintet"), BENTOML, _rows, list),
    Server("KServe", _kserve("scikit-learn"), KSERVE, _instances, _predictions),
    Server("KServe + our engine", _kserve("quintet"), KSERVE, _instances, _predictions),
    Server(PLAIN, _uvicorn("dev", "plain"), "/predict", _samples, _predictions),
)
