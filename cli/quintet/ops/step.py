"""``quintet step`` on a cluster: the code of this checkout in the pod that the step has in a run."""

import json
import sys
from dataclasses import dataclass
from typing import Any

from quintet.by_hand import run_id
from quintet.edits import again_after_each_save
from quintet.kind.machine import prepare
from quintet.kind.step_image import StepImage
from quintet.local.task_graph import interruptible, undisturbed
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from quintet.ops.step_pod import StepPod, manifest, take_away_ended
from quintet.pipelines import Step
from quintet.progress import UserError
from quintet.revision import revision

CUT = "Airflow keeps long options in part alone"


@dataclass(frozen=True)
class Asked:
    """What a step is asked beside what each of its pods is told.

    Attributes:
        options: of its command line.
        environment: of its task.
    """

    options: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Session:
    """A step that is run by hand, once or again and again.

    Attributes:
        kube: the platform.
        step: the step.
        image: of the step.
        asked: options and environment of each run.
        run: id of a run whose task it repeats; "" for runs of its own.
    """

    kube: Kube
    step: Step
    image: StepImage
    asked: Asked
    run: str = ""

    def start(self) -> StepPod:
        """Build the step's image, unless it is there, and run it.

        Raises:
            UserError: when it cannot be built, or the release has no such step.
        """
        image = self.image.push()
        found = self.kube.core.read_namespaced_config_map("airflow-step-pods", self.kube.namespace)
        pods = json.loads(found.data["pods.json"])
        if self.step.image not in pods["steps"]:
            raise UserError(f"The release has no step {self.step.image}: `make up` brings it there.")
        environment = {
            "TASK_ID": self.step.name,
            **self.asked.environment,
            "RUN_ID": self.run or run_id(),
            "GIT_REVISION": revision(),
        }
        return StepPod(self.kube, manifest(pods, self.step, image, self.asked.options, environment))


def main(kube: Kube, step: Step, options: list[str], like: str, *, watch: bool) -> None:
    """Run a step in its pod and exit with its code; or run it again after each save of its code.

    Args:
        kube: the platform.
        step: the step.
        options: of the step.
        like: the id of a run whose task of this step had more options and an environment, or "".
        watch: whether it runs again after each save of its code, until Ctrl-C.

    Raises:
        UserError: when there is no such former task, or the cluster is not one of `make up`.
    """
    if not kube.cluster:
        raise UserError(
            "A step of this checkout runs on a cluster of `make up` alone, whose registry takes its image; "
            "elsewhere, `make push` and a release bring it."
        )
    asked = Asked(options, {})
    if like:
        with AirflowApi.connect(kube) as airflow:
            former = former_task(airflow, step, like)
        asked = Asked([*former.options, *asked.options], former.environment)
    take_away_ended(kube, step)
    run = "" if watch else like
    image = StepImage(prepare(), kube.cluster.registry, step.image)
    session = Session(kube, step, image, asked, run)
    if watch:
        again_after_each_save(step, session.start)
    with interruptible():
        attempt = session.start()
        try:
            print(f"{step.image} {attempt.wait()}", file=sys.stderr)
        finally:
            with undisturbed():
                attempt.stop()
    sys.exit(attempt.exit_code)


def former_task(airflow: AirflowApi, step: Step, run: str) -> Asked:
    """Return what a step's task was asked in an earlier run.

    Of a mapped task it is what all its instances were asked.

    Args:
        airflow: which remembers it.
        step: the step.
        run: its id.

    Raises:
        UserError: when the run has no such task, or what is remembered of it was cut.
    """
    tasks = [task for found in airflow.runs(run=run) for task in airflow.tasks(found["dag_id"], run)]
    own = [task for task in tasks if task["rendered_fields"].get("name") == step.image]
    if not own:
        raise UserError(f"Run {run} has no task that ran {step.image}; `quintet status` names the last runs.")
    task = next((task for task in own if task["state"] == "failed"), own[0])
    options, variables = (task["rendered_fields"].get(name) for name in ("arguments", "env_vars"))
    if not isinstance(options, list) or not isinstance(variables, list):
        raise UserError(f"{CUT}, and those of {step.image} in {run} are: give them yourself, without --like.")
    return Asked([option for option in options if option.partition("=")[2]], _environment(variables))


def _environment(variables: list[dict[str, Any]]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in variables if each["value"] is not None}
