"""A step that runs once in its pod leaves none, whatever ends the command."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from quintet.paths import PLATFORM
from tests.watched import watched

COMMAND = """
import signal
import sys
import threading
from types import SimpleNamespace

from quintet.__main__ import main
from quintet.commands.app import Target
from quintet.ops import step, step_pod

where = sys.argv[1]
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, where the tests run by it, has it ignored


class Cluster:
    def read_namespaced_config_map(self, *_):
        return SimpleNamespace(data={"pods.json": '{"steps": {"forest-promote": {}}}'})

    def delete_collection_namespaced_pod(self, *_, **__):
        pass

    def create_namespaced_pod(self, namespace, pod):
        self.name = pod["metadata"]["name"]
        if where == "as it is made":
            self.list_namespaced_pod()

    def list_namespaced_pod(self, *_, **__):
        print("asked of", self.name, flush=True)
        threading.Event().wait()

    def delete_namespaced_pod(self, name, namespace, **_):
        print("deleted", name, flush=True)


kube = SimpleNamespace(
    core=Cluster(), cluster=SimpleNamespace(registry=""), namespace="quintet", tasks_namespace="quintet-tasks"
)
Target.kube = lambda self: kube
step.prepare = lambda: None
step.StepImage = lambda *_: SimpleNamespace(push=lambda: "image")
step_pod.pod_template = lambda *_, **__: {"metadata": {"labels": {}}, "spec": {"containers": [{"env": []}]}}
sys.exit(main(["--on", "cluster", "step", "forest", "promote"]))
"""


@pytest.mark.parametrize(
    ("number", "where"),
    [(signal.SIGINT, "as it is made"), (signal.SIGTERM, "at work"), (signal.SIGHUP, "at work")],
)
def test_its_pod_goes_with_it(number: signal.Signals, where: str) -> None:
    with watched([sys.executable, "-c", COMMAND, where], os.environ, PLATFORM) as started:
        name = started.until("asked of ").split()[-1]
        started.process.send_signal(number)
        assert started.until("deleted ").split()[-1] == name
        assert started.process.wait(30) == 130
