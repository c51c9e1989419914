"""Makes MLflow's experiments, registered models and users, and gives each user the rights of grants.json.

Run again, it changes nothing. It runs as the Job mlflow-users, with the admin's rights. The passwords are the
Secrets' own, mounted as <secrets>/<user>/{username,password}. The admin's is changed to its Secret's
by the one in <secrets>/admin/former-password, where there is one. With `--remove` it takes the users away
instead, and with `--remove=data` the experiments and models too.
"""

import argparse
import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

START_SECONDS = 300
THROUGH_THE_SERVER = "mlflow-artifacts:/"
"""How locations begin that the server chooses."""
RELEASE_TAG = "quintet.release"
FORMER_USERS = ("promotion", "steps")
"""Users of earlier releases, whom all pipelines had in common."""


class Server:
    """MLflow's REST API, as one user."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def wait(self) -> None:
        """Returns once the server answers; raises TimeoutError after START_SECONDS."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(1)
        raise TimeoutError(f"{self.url}/health did not answer within {START_SECONDS} s: see mlflow's log.")

    def get(self, path: str, **parameters: str) -> Any:
        """What the server holds under the path, or None where it holds nothing."""
        try:
            return self._answer(f"{path}?{urllib.parse.urlencode(parameters)}", "GET", None)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def send(self, method: str, path: str, **body: str) -> Any:
        """The answer to a change; raises HTTPError where the server refuses it."""
        return self._answer(path, method, json.dumps(body).encode())

    def _answer(self, path: str, method: str, data: bytes | None) -> Any:
        request = urllib.request.Request(f"{self.url}/api/{path}", data, self.headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


def ensure_experiment(server: Server, name: str) -> str:
    """The id of the experiment, which is made where it is absent, at the place that the server has for it."""
    found = server.get("2.0/mlflow/experiments/get-by-name", experiment_name=name)
    if found:
        place = found["experiment"]["artifact_location"]
        if not place.startswith(THROUGH_THE_SERVER):
            raise SystemExit(
                f"The experiment {name} keeps its artifacts at {place}, as somebody asked for who made it:"
                " rename it in MLflow, so that another takes its name."
            )
        return str(found["experiment"]["experiment_id"])
    return str(server.send("POST", "2.0/mlflow/experiments/create", name=name)["experiment_id"])


def ensure_release(server: Server, experiment_id: str, release: str) -> None:
    """Notes at an experiment which release has it: the retention of another one leaves it alone."""
    server.send(
        "POST",
        "2.0/mlflow/experiments/set-experiment-tag",
        experiment_id=experiment_id,
        key=RELEASE_TAG,
        value=release,
    )


def ensure_model(server: Server, name: str) -> str:
    """The name of the registered model, which is made where it is absent."""
    if not server.get("2.0/mlflow/registered-models/get", name=name):
        server.send("POST", "2.0/mlflow/registered-models/create", name=name)
    return name


def ensure_user(server: Server, username: str, password: str) -> None:
    """Makes the user, or gives it the password again that its Secret holds."""
    if server.get("2.0/mlflow/users/get", username=username):
        server.send("PATCH", "2.0/mlflow/users/update-password", username=username, password=password)
    else:
        server.send("POST", "2.0/mlflow/users/create", username=username, password=password)


def ensure_own_password(url: str, username: str, password: str, former: Path) -> None:
    """Sets the admin's password to its Secret's, by the former one, unless the server knows it already."""
    try:
        Server(url, username, password).get("2.0/mlflow/users/get", username=username)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        if not former.exists():
            raise SystemExit(
                f"MLflow knows another password of {username} than the Secret mlflow-admin holds: that was"
                " made again, or edited. Bring the former one back, or put it beside this one under"
                " former-password."
            ) from error
        current = former.read_text()
        change = {"username": username, "password": password, "current_password": current}
        Server(url, username, current).send("PATCH", "2.0/mlflow/users/update-password", **change)


def remove_user(server: Server, username: str) -> None:
    """Takes a user away, with its rights, if there is one."""
    if server.get("2.0/mlflow/users/get", username=username):
        server.send("DELETE", "2.0/mlflow/users/delete", username=username)


def remove_data(server: Server, experiments: list[str], models: list[str]) -> None:
    """Deletes registered models, and experiments with their runs, which `mlflow gc` takes away later."""
    for name in models:
        if server.get("2.0/mlflow/registered-models/get", name=name):
            server.send("DELETE", "2.0/mlflow/registered-models/delete", name=name)
    for name in experiments:
        found = server.get("2.0/mlflow/experiments/get-by-name", experiment_name=name)
        if found and found["experiment"]["lifecycle_stage"] == "active":
            # A deleted experiment keeps its name, and another of that name could not be made.
            number = str(found["experiment"]["experiment_id"])
            new_name = f"{name} (removed {number})"
            server.send("POST", "2.0/mlflow/experiments/update", experiment_id=number, new_name=new_name)
            server.send("POST", "2.0/mlflow/experiments/delete", experiment_id=number)


def permissions_of(given: str | dict[str, str], ids: dict[str, str]) -> dict[str, str]:
    """The permissions by id: of one on all names, or of each on its name alone."""
    if isinstance(given, str):
        return dict.fromkeys(ids.values(), given)
    return {ids[name]: permission for name, permission in given.items()}


def ensure_permissions(server: Server, username: str, wanted: dict[tuple[str, str], str]) -> None:
    """Makes the user's grants equal to the wanted ones: (resource type, resource id) -> permission."""
    listed = server.get("3.0/mlflow/users/permissions/list", username=username)["permissions"]
    held = {(grant["resource_type"], grant["resource_pattern"]): grant["permission"] for grant in listed}
    for resource_type, resource_id in held.keys() - {key for key in held if wanted.get(key) == held[key]}:
        server.send(
            "POST",
            "3.0/mlflow/users/permissions/revoke",
            username=username,
            resource_type=resource_type,
            resource_id=resource_id,
        )
    for (resource_type, resource_id), permission in wanted.items():
        if held.get((resource_type, resource_id)) != permission:
            server.send(
                "POST",
                "3.0/mlflow/users/permissions/grant",
                username=username,
                resource_type=resource_type,
                resource_id=resource_id,
                permission=permission,
            )


def main() -> None:
    """Reads the arguments and brings the server to what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--secrets", type=Path, required=True)
    parser.add_argument("--grants", type=Path, required=True)
    parser.add_argument("--remove", choices=("users", "data"))
    arguments = parser.parse_args()
    grants = json.loads(arguments.grants.read_text())

    def credentials(user: str) -> tuple[str, str]:
        folder = arguments.secrets / user
        return (folder / "username").read_text(), (folder / "password").read_text()

    admin = credentials("admin")
    server = Server(arguments.url, *admin)
    server.wait()
    if arguments.remove:
        for user in grants["users"]:
            remove_user(server, credentials(user)[0])
        if arguments.remove == "data":
            remove_data(server, grants["experiments"], grants["models"])
        return
    ensure_own_password(arguments.url, *admin, arguments.secrets / "admin" / "former-password")
    for username in set(FORMER_USERS) - grants["users"].keys():
        remove_user(server, username)
    experiments = {name: ensure_experiment(server, name) for name in grants["experiments"]}
    for experiment_id in experiments.values():
        ensure_release(server, experiment_id, grants["release"])
    models = {name: ensure_model(server, name) for name in grants["models"]}
    for user, permissions in grants["users"].items():
        username, password = credentials(user)
        ensure_user(server, username, password)
        of_experiments = permissions_of(permissions["experiments"], experiments)
        of_models = permissions_of(permissions["models"], models)
        wanted = {("experiment", experiment): each for experiment, each in of_experiments.items()}
        wanted |= {("registered_model", model): each for model, each in of_models.items()}
        ensure_permissions(server, username, wanted)
        print(f"{username}: {permissions['experiments']} on experiments, {permissions['models']} on models")


if __name__ == "__main__":
    main()
