"""Real bundles, a registry to hold them, and the API over it, in this process or as one of its own."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pandas as pd
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.testclient import TestClient
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from app.admin import create_admin_app
from app.bundle_cache import BundleCache
from app.champion import Champion
from app.latest_run import read_latest_run
from app.main import create_app
from app.metrics import Metrics
from app.record import Record
from app.registry import Registry as RegistryClient
from app.settings import Settings
from bundle import export
from forest_api.samples import COVERTYPE_FILE
from tests import services
from tests.serving.registry_server import Registry, serve

NAMES = dict(
    enumerate(
        [
            "Spruce/Fir",
            "Lodgepole Pine",
            "Ponderosa Pine",
            "Cottonwood/Willow",
            "Aspen",
            "Douglas-fir",
            "Krummholz",
        ]
    )
)
TARGET = "tree"
TOKEN = "open sesame"


def unproved(version: object, folder: Path) -> None:
    """Takes the place of a bundle's proof, which costs a test a process: those of the API itself have it."""


@dataclass(frozen=True)
class Trained:
    """A pipeline, the bundle that was made of it, and its bundle's digest."""

    pipeline: Pipeline
    folder: Path
    digest: str


def exported(pipeline: Pipeline, features: pd.DataFrame, folder: Path) -> Trained:
    """Exports a pipeline that was fitted on features."""
    digest = export(
        pipeline,
        features,
        folder,
        model="forest",
        target=TARGET,
        label_names=NAMES,
        metrics={"f1_macro": 0.9},
        data_sha256="0" * 64,
    )
    return Trained(pipeline, folder, digest)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Real rows of all seven classes, with the features' names in this platform."""
    frame = pd.read_csv(COVERTYPE_FILE).rename(columns=str.lower)
    return frame.groupby("cover_type").sample(150, random_state=7).reset_index(drop=True)


@pytest.fixture(scope="session")
def samples(rows: pd.DataFrame) -> list[dict[str, float | str]]:
    """Samples as a client sends them."""
    return rows.drop(columns="cover_type").sample(200, random_state=8).to_dict("records")


@pytest.fixture(scope="session")
def trained(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """A logistic regression and a forest; they answer some rows differently."""
    features = rows.drop(columns="cover_type")
    made = {}
    for name, classifier in (
        ("linear", LogisticRegression(max_iter=500)),
        ("forest", RandomForestClassifier(10, random_state=1)),
    ):
        columns = ColumnTransformer(
            [
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(features.columns[:10])),
                (
                    "categories",
                    make_pipeline(
                        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
                    ),
                    ["wilderness_area", "soil_type"],
                ),
            ]
        )
        pipeline = Pipeline([("columns", columns), ("classifier", classifier)])
        pipeline.fit(features, rows["cover_type"])
        made[name] = exported(pipeline, features, tmp_path_factory.mktemp("bundles") / name)
    return made


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry without a champion."""
    with serve(Registry()) as running:
        yield running


@dataclass
class Api:
    """The API in this process; the registry is asked when a test says so."""

    champion: Champion
    client: TestClient
    admin: TestClient

    def refresh(self) -> "Api":
        self.champion.refresh(retry_refused=True)
        return self


@pytest.fixture(scope="session")
def loop() -> Iterator[BlockingPortal]:
    """The event loop of all APIs in this process, as one of its own for each request costs more than it."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def api(registry: Registry, tmp_path: Path, loop: BlockingPortal) -> Callable[..., Api]:
    """Makes the API over the registry; its thread is not started."""

    def make(**changes: object) -> Api:
        fixed = {
            "mlflow_model_name": "forest",
            "mlflow_tracking_uri": registry.url,
            "bundle_cache_dir": tmp_path,
            "admin_token": TOKEN,
        }
        settings = Settings(**fixed | changes)
        metrics, uri = Metrics(), settings.model_run_uri
        client = RegistryClient(settings, partial(read_latest_run, uri, "forest") if uri else None)
        record = Record(settings) if settings.promotion_record_url else None
        champion = Champion(settings, client, BundleCache(tmp_path), metrics, unproved, record)
        clients = [TestClient(build(settings, champion, metrics)) for build in (create_app, create_admin_app)]
        for client in clients:
            client.portal = loop
        return Api(champion, *clients)

    return make


@dataclass
class Server:
    """The API as a process."""

    url: str
    admin_url: str
    pid: int
    stop: Callable[[], None]
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))

    def get(self, path: str) -> httpx.Response:
        return self.http.get(self.url + path)

    def predict(self, samples: list[dict[str, float | str]]) -> httpx.Response:
        return self.http.post(f"{self.url}/predict", json={"samples": samples})

    def version(self) -> str | None:
        return self.get("/metadata").json()["version"]


def started(running: ExitStack, folder: Path, registry_url: str, **environment: str) -> Server:
    """Starts a process of the API, which ends with the stack; those of one folder share the cache on disk."""
    port, admin_port = services.free_ports(2)
    url, admin_url = (f"http://127.0.0.1:{each}" for each in (port, admin_port))
    process = ExitStack()
    child = process.enter_context(
        services.process(
            [sys.executable, "-m", "app"],
            folder / f"{port}.log",
            {
                "PYTHONPATH": "serving:.",
                "MLFLOW_MODEL_NAME": "forest",
                "MLFLOW_TRACKING_URI": registry_url,
                "BUNDLE_CACHE_DIR": str(folder / "cache"),
                "POLL_SECONDS": "0.5",
                "DRAIN_SECONDS": "0.3",
                "PORT": str(port),
                "ADMIN_PORT": str(admin_port),
                "ADMIN_TOKEN": TOKEN,
                **environment,
            },
            ready=lambda: services.answers(f"{url}/health"),
        )
    )
    running.push(process)
    return Server(url, admin_url, child.pid, process.close)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts processes of the API; all of a test share the cache on disk."""
    with ExitStack() as running:
        yield partial(started, running, tmp_path)
