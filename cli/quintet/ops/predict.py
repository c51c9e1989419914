"""``quintet predict``: one prediction, asked for from inside the cluster."""

import json
import time
from typing import Any

import yaml

from quintet.ops.installed import model_of, pipelines_of
from quintet.ops.kube import Kube, exit_code_of
from quintet.paths import PLATFORM
from quintet.progress import UserError

EXAMPLE = PLATFORM / "manifests" / "examples" / "predict.yaml"
SECONDS = 120


def main(kube: Kube, model: str) -> Any:
    """Print a model's answer to its example, and return what `--json` says of it.

    Raises:
        UserError: with the API's own sentence, when it refuses.
    """
    said = ask(kube, model)
    print(said)
    return json.loads(said)


def ask(kube: Kube, model: str = "", body: str | None = None) -> str:
    """Send a request to a model's API from a Job in its namespace and return the answer's text.

    Args:
        kube: the platform.
        model: whose API; "" means the first one.
        body: of the request; None sends the example of the model's pipeline.

    Raises:
        UserError: when there is no such API or example, the API refuses, or the Job does not end in time.
    """
    model = model_of(kube, model)
    body = body or _example(kube, model)
    job: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    api = kube.workloads(f"inference-{model}")[0].spec.template.spec
    container["image"] = api.containers[0].image
    pod["securityContext"] = kube.core.api_client.sanitize_for_serialization(api.security_context)
    pod["imagePullSecrets"] = [{"name": secret.name} for secret in api.image_pull_secrets or []]
    asked = {"URL": f"http://inference-{model}/predict", "BODY": body}
    container["env"] = [{"name": name, "value": value} for name, value in asked.items()]
    job["metadata"] = {"generateName": f"{job['metadata']['name']}-"}
    name = kube.batch.create_namespaced_job(kube.namespace, job).metadata.name
    try:
        return _answer(kube, name, container["name"])
    finally:
        kube.batch.delete_namespaced_job(name, kube.namespace, propagation_policy="Background")


def _example(kube: Kube, model: str) -> str:
    """Return a request that the API of a model answers, as its pipeline brings it."""
    for pipeline in pipelines_of(kube).values():
        if pipeline.model == model and pipeline.example.exists():
            return pipeline.example.read_text(encoding="utf-8")
    raise UserError(
        f"No pipeline of the release that trains {model} has an example.json: write one into its folder."
    )


def _answer(kube: Kube, job: str, container: str) -> str:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for pod in kube.pods({"job-name": job}):
            if (code := exit_code_of(pod, container)) is not None:
                said = kube.log(pod.metadata.name, container)
                if code == 0:
                    return said
                raise UserError(f"The API answered {said.splitlines()[-1] if said else 'nothing'}")
        time.sleep(0.5)
    raise UserError(
        f"The Job {job} gave no answer in {SECONDS} s: `quintet status` says which pod is in trouble."
    )
