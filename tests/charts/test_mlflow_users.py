"""What MLflow's users may do, asked of a real server that users.py has set up as the chart's Job does."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import psutil
import pytest

from quintet.local.mlflow import PROGRAM
from stepkit import tracking
from stepkit.promotion.decisions import Model
from stepkit.promotion.registry import MlflowRegistry
from stepkit.settings import Run, Settings
from tests.charts.render import CHARTS, named, render
from tests.services import answers, free_ports, process

OTHERS = {"bitcoin": {"enabled": False}, "penguins": {"enabled": False}}
"""Left out: their rights are as crime's, and to make a user or let it in takes MLflow 50 ms."""
ASKED = ("forest", "forest-promotion", "crime", "crime-promotion", "serving")
USERS = ("admin", *ASKED)


@dataclass(frozen=True)
class Platform:
    """A server with one run in forest's experiment and one version of its model."""

    url: str
    experiment_id: str = ""
    run_id: str = ""

    def status(self, user: str, method: str, path: str, body: object = None) -> int:
        """The HTTP status of a request of a user, by a path with {run}."""
        return self.ask(user, method, path, body)[0]

    def filled(self, text: str) -> str:
        return text.replace("{run}", self.run_id).replace("{experiment}", self.experiment_id)

    def ask(self, user: str, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        token = base64.b64encode(f"{user}:{password(user)}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        data = self.filled(json.dumps(body)).encode() if body is not None else None
        request = urllib.request.Request(self.url + self.filled(path), data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def password(user: str) -> str:
    return f"the-password-of-{user}"


def run_users(url: str, folder: Path) -> str:
    command = [sys.executable, str(CHARTS / "mlflow/files/scripts/users.py"), f"--url={url}"]
    command += [f"--secrets={folder / 'secrets'}", f"--grants={folder / 'grants.json'}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Job's mounts: the grants as the chart renders them, and the Secrets."""
    folder = tmp_path_factory.mktemp("mlflow")
    objects = render("mlflow", {"global": {"pipelines": OTHERS}})
    grants = named(objects, "ConfigMap", "mlflow-users")["data"]["grants.json"]
    (folder / "grants.json").write_text(grants)
    for user in USERS:
        (folder / "secrets" / user).mkdir(parents=True)
        (folder / "secrets" / user / "username").write_text(user)
        (folder / "secrets" / user / "password").write_text(password(user))
    return folder


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server on SQLite, with the settings of the chart's start script."""
    start = (CHARTS / "mlflow/files/scripts/start.sh").read_text(encoding="utf-8")
    settings = start.split("<<SETTINGS\n")[1].split("SETTINGS\n")[0]
    database = f"database_uri = sqlite:///{folder}/auth.db"
    (folder / "auth.ini").write_text(re.sub("^database_uri = .*$", database, settings, flags=re.MULTILINE))
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, PROGRAM, "server", "--port", str(port), "--workers", "1"]
    command += ["--app-name", "basic-auth", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", f"{folder}/artifacts"]
    environment = {
        "PYTHONPATH": str(CHARTS / "mlflow/files/scripts"),
        "MLFLOW_AUTH_CONFIG_PATH": f"{folder}/auth.ini",
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": password("admin"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for one test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with process(command, folder / "log", environment, ready=lambda: answers(f"{url}/health")) as started:
        assert psutil.Process(started.pid).children() == []
        yield url


@pytest.fixture(scope="module")
def platform(folder: Path) -> Iterator[Platform]:
    with server(folder) as url:
        platform = Platform(url)
        # Of a release whose pipelines had users in common.
        for user in ("steps", "promotion"):
            former = {"username": user, "password": password(user)}
            assert platform.status("admin", "POST", "/api/2.0/mlflow/users/create", former) == 200
        run_users(url, folder)
        named = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=forest-cover-experiment"
        experiment = json.loads(platform.ask("forest", "GET", named)[1])["experiment"]["experiment_id"]
        run = {"experiment_id": experiment, "start_time": 1}
        status, answer = platform.ask("forest", "POST", "/api/2.0/mlflow/runs/create", run)
        assert status == 200
        platform = Platform(url, experiment, json.loads(answer)["run"]["info"]["run_id"])
        put = f"{ARTIFACTS}/bundle/contract.json"
        assert platform.status("forest", "PUT", put, {}) == 200
        assert platform.status("forest-promotion", "POST", *version_from(f"{PLACE}/bundle")) == 200
        alias = {"name": "forest", "alias": "champion", "version": "1"}
        assert (
            platform.status("forest-promotion", "POST", "/api/2.0/mlflow/registered-models/alias", alias)
            == 200
        )
        yield platform


ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts"
PLACE = "mlflow-artifacts:/{experiment}/{run}/artifacts"


def version_from(source: str) -> tuple[str, dict[str, str]]:
    """The path and body of a request for a version of the forest's model."""
    return "/api/2.0/mlflow/model-versions/create", {"name": "forest", "source": source, "run_id": "{run}"}


GRAPHQL = 'query { mlflowGetExperiment(input: {experimentId: "0"}) { __typename } }'
ALLOWED = {
    "read the run": (
        ("GET", "/api/2.0/mlflow/runs/get?run_id={run}", None),
        {"forest", "forest-promotion", "serving"},
    ),
    "read its artifacts": (
        ("GET", "/get-artifact?run_uuid={run}&path=bundle/contract.json", None),
        {"forest", "forest-promotion", "serving"},
    ),
    "write to the run": (
        ("POST", "/api/2.0/mlflow/runs/set-tag", {"run_id": "{run}", "key": "k", "value": "v"}),
        {"forest"},
    ),
    "write its artifacts": (
        ("PUT", f"{ARTIFACTS}/bundle/more.json", {}),
        {"forest"},
    ),
    "delete the run": (("POST", "/api/2.0/mlflow/runs/delete", {"run_id": "{run}"}), set()),
    "follow the alias": (
        ("GET", "/api/2.0/mlflow/registered-models/alias?name=forest&alias=champion", None),
        {"forest", "forest-promotion", "serving"},
    ),
    "move the alias": (
        (
            "POST",
            "/api/2.0/mlflow/registered-models/alias",
            {"name": "forest", "alias": "champion", "version": "1"},
        ),
        {"forest-promotion"},
    ),
    "tag a version": (
        (
            "POST",
            "/api/2.0/mlflow/model-versions/set-tag",
            {"name": "forest", "version": "1", "key": "k", "value": "v"},
        ),
        {"forest-promotion"},
    ),
    "set a version's stage": (
        (
            "POST",
            "/api/2.0/mlflow/model-versions/transition-stage",
            {"name": "forest", "version": "1", "stage": "Production", "archive_existing_versions": False},
        ),
        {"forest-promotion"},
    ),
    "delete the model": (("DELETE", "/api/2.0/mlflow/registered-models/delete", {"name": "forest"}), set()),
    "delete its artifacts": (("DELETE", f"{ARTIFACTS}/bundle/contract.json", None), set()),
    "make a run in the experiment": (
        ("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "{experiment}", "start_time": 1}),
        {"forest"},
    ),
    "rename the experiment": (
        (
            "POST",
            "/api/2.0/mlflow/experiments/update",
            {"experiment_id": "{experiment}", "new_name": "forest-cover-experiment"},
        ),
        set(),
    ),
    "make an experiment": (("POST", "/api/2.0/mlflow/experiments/create", {"name": "own"}), set()),
    "make an experiment at a place of the server": (
        (
            "POST",
            "/ajax-api/2.0/mlflow/experiments/create",
            {"name": "own", "artifact_location": "file:///tmp/own"},
        ),
        set(),
    ),
    "make a model": (("POST", "/api/2.0/mlflow/registered-models/create", {"name": "own"}), set()),
    "rename the model": (
        ("POST", "/api/2.0/mlflow/registered-models/rename", {"name": "forest", "new_name": "forest"}),
        set(),
    ),
    "register what lies elsewhere": (("POST", *version_from("s3://another/bundle")), set()),
    "register what lies above the run": (("POST", *version_from(f"{PLACE}/../../0/x")), set()),
    "list the users": (("GET", "/api/2.0/mlflow/users/list", None), set()),
    "list the users, as the browser does": (("GET", "/ajax-api/2.0/mlflow/users/list", None), set()),
    "start a trace": (
        ("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": {"trace_id": "tr-1"}}}),
        set(),
    ),
    "ask as the browser's pages do": (("POST", "/graphql", {"query": GRAPHQL}), set()),
    "make a user": (
        ("POST", "/api/2.0/mlflow/users/create", {"username": "x", "password": "a long password"}),
        set(),
    ),
    "give itself rights": (
        (
            "POST",
            "/api/3.0/mlflow/users/permissions/grant",
            {"username": "serving", "resource_type": "run", "resource_id": "*", "permission": "EDIT"},
        ),
        set(),
    ),
}


@pytest.mark.parametrize("action", ALLOWED)
def test_each_user_may_do_its_part_and_no_more(platform: Platform, action: str) -> None:
    request, users = ALLOWED[action]
    statuses = {user: platform.status(user, *request) for user in ASKED}
    assert statuses == {user: 200 if user in users else 403 for user in statuses}


def test_a_training_and_a_promotion_do_their_work_as_their_users(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_in(user: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password(user))

    settings = Settings(Run("training", "run 1"), tracking_uri=platform.url)
    try:
        log_in("forest")
        with tracking.run(settings, "train") as run_id:
            mlflow.log_params({"trees": 2})
            mlflow.log_metrics({"f1_macro": 0.5})
            mlflow.log_dict({}, "bundle/contract.json")
        log_in("forest-promotion")
        version = MlflowRegistry(settings).show(Model("svc", run_id, "digest", "rows"), lambda: None)
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    followed = json.loads(platform.ask("serving", "GET", ALLOWED["follow the alias"][0][1])[1])
    assert followed["model_version"]["version"] == str(version)


def test_nobody_changes_the_password_that_other_pods_go_by(platform: Platform) -> None:
    for user in ASKED:
        change = {"username": user, "password": "another password", "current_password": password(user)}
        assert platform.status(user, "PATCH", "/api/2.0/mlflow/users/update-password", change) == 403


def test_the_administrator_makes_what_others_may_not(platform: Platform) -> None:
    create = "/api/2.0/mlflow/experiments/create"
    assert platform.status("admin", "POST", create, {"name": "of-a-person"}) == 200
    assert platform.status("admin", "GET", "/api/2.0/mlflow/users/list") == 200


def test_an_experiment_says_which_release_has_it(platform: Platform) -> None:
    path = "/api/2.0/mlflow/experiments/get?experiment_id={experiment}"
    status, answer = platform.ask("admin", "GET", path)
    assert status == 200
    assert {"key": "quintet.release", "value": "quintet"} in json.loads(answer)["experiment"]["tags"]


def test_users_that_all_pipelines_had_in_common_are_gone(platform: Platform) -> None:
    read = "/api/2.0/mlflow/runs/get?run_id={run}"
    statuses = {user: platform.status(user, "GET", read) for user in ("steps", "promotion", "forest")}
    assert statuses == {"steps": 401, "promotion": 401, "forest": 200}


def test_an_experiment_at_another_place_is_refused_by_the_set_up(platform: Platform, folder: Path) -> None:
    create, name = "/api/2.0/mlflow/experiments/create", "elsewhere"
    made = {"name": name, "artifact_location": f"file://{folder}/elsewhere"}
    assert platform.status("admin", "POST", create, made) == 200
    grants = folder / "grants.json"
    before = grants.read_text()
    given = json.loads(before)
    grants.write_text(json.dumps({**given, "experiments": [*given["experiments"], name]}))
    try:
        with pytest.raises(subprocess.CalledProcessError) as refused:
            run_users(platform.url, folder)
    finally:
        grants.write_text(before)
    assert f"The experiment {name} keeps its artifacts at file://" in refused.value.stderr


def test_nobody_enters_without_a_password(platform: Platform) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{platform.url}/api/2.0/mlflow/experiments/search?max_results=1", timeout=30)


def test_the_admin_changes_its_own_password_by_the_former_one(platform: Platform, folder: Path) -> None:
    def admin_is_let_in(word: str) -> bool:
        token = base64.b64encode(f"admin:{word}".encode()).decode()
        request = urllib.request.Request(f"{platform.url}/api/2.0/mlflow/users/get?username=admin")
        request.add_header("Authorization", f"Basic {token}")
        try:
            return bool(urllib.request.urlopen(request, timeout=30).status == 200)
        except urllib.error.HTTPError:
            return False

    held = folder / "secrets" / "admin"
    first, other = password("admin"), "another long password"
    (held / "password").write_text(other)
    with pytest.raises(subprocess.CalledProcessError):
        run_users(platform.url, folder)
    for former, word in ((first, other), (other, first)):
        (held / "password").write_text(word)
        (held / "former-password").write_text(former)
        run_users(platform.url, folder)
        assert (admin_is_let_in(word), admin_is_let_in(former)) == (True, False)
    # It stays there until the change is finished; the server knows the new one by now.
    run_users(platform.url, folder)
    (held / "former-password").unlink()


def test_running_again_changes_nothing_and_takes_back_what_was_added(
    platform: Platform, folder: Path
) -> None:
    listing = "/api/3.0/mlflow/users/permissions/list?username=serving"
    before = json.loads(platform.ask("admin", "GET", listing)[1])["permissions"]
    extra = {"username": "serving", "resource_type": "run", "resource_id": "*", "permission": "EDIT"}
    assert platform.status("admin", "POST", "/api/3.0/mlflow/users/permissions/grant", extra) == 200
    run_users(platform.url, folder)
    assert json.loads(platform.ask("admin", "GET", listing)[1])["permissions"] == before
