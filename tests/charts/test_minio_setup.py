"""The setup Job of the MinIO chart, with a stand-in for `mc` that keeps users and their policies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.charts.render import default_values, named, render

USERS = ("airflow", "mlflow")

MC = """#!{python} -IS
import json, pathlib, sys
store = pathlib.Path({store!r})
users = json.loads(store.read_text())
words = sys.argv[1:]

def shown(key):
    found = {{"status": "success", "accessKey": key, "policyName": users[key], "userStatus": "enabled"}}
    print(json.dumps({{name: value for name, value in found.items() if value}}, separators=(",", ":")))

if words[:3] == ["admin", "user", "add"]:
    key, secret = sys.stdin.read().split()
    users.setdefault(key, "")
if words[:3] == ["admin", "user", "info"]:
    if words[4] not in users:
        sys.exit("The specified user does not exist.")
    shown(words[4])
if words[:3] == ["admin", "user", "list"]:
    for key in users:
        shown(key)
if words[:3] == ["admin", "user", "remove"]:
    del users[words[4]]
if words[:3] == ["admin", "policy", "attach"]:
    policy, key = words[4], words[6]
    if users[key] == policy:
        sys.exit("The specified policy change is already in effect.")
    users[key] = policy
store.write_text(json.dumps(users))
"""


class Setup:
    """The Job as a process here, and the users that it leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "users.json"
        self.store.write_text("{}")
        self.secrets = folder / "secrets"
        mc = folder / "bin" / "mc"
        mc.parent.mkdir()
        mc.write_text(MC.format(python=sys.executable, store=str(self.store)))
        mc.chmod(0o755)
        values = {
            "buckets": {name: None for name in default_values("minio")["buckets"] if name != "data"},
            "users": {name: None for name in default_values("minio")["users"] if name not in USERS},
        }
        data = named(render("minio", values, samples=False), "ConfigMap", "minio-setup")["data"]
        for name, text in data.items():
            places = {"/run/minio": str(self.secrets), "/etc/minio-setup": str(folder)}
            for path, place in places.items():
                text = text.replace(path, place)
            (folder / name).write_text(text)
        self.secret("root", username="root", password="of-root")
        for user in USERS:
            self.secret(user, **{"access-key": user, "secret-key": f"of-{user}"})

    def secret(self, user: str, **data: str) -> None:
        (self.secrets / user).mkdir(parents=True, exist_ok=True)
        for key, value in data.items():
            (self.secrets / user / key).write_text(value)

    def run(self) -> dict[str, str]:
        """Each access key and its policy, after the Job."""
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        command = ["sh", str(self.folder / "setup.sh")]
        subprocess.run(command, env={"PATH": path}, check=True, capture_output=True, timeout=60)
        users: dict[str, str] = json.loads(self.store.read_text())
        return users


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_a_former_key_stays_as_long_as_the_secret_names_it(setup: Setup) -> None:
    assert setup.run() == {user: user for user in USERS}
    setup.secret("airflow", **{"access-key": "airflow-12345678", "former-access-key": "airflow"})
    assert setup.run() == {"airflow": "airflow", "mlflow": "mlflow", "airflow-12345678": "airflow"}
    (setup.secrets / "airflow" / "former-access-key").unlink()
    assert setup.run() == {"mlflow": "mlflow", "airflow-12345678": "airflow"}


def test_a_key_that_a_person_made_stays_and_that_of_all_steps_goes(setup: Setup) -> None:
    setup.store.write_text(json.dumps({"a-person": "airflow", "steps": "steps"}))
    assert setup.run() == {"a-person": "airflow", **{user: user for user in USERS}}
