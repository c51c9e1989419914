"""The content of skaffold.yaml: a template with the platform's own images, and what pipelines add to it."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent

import yaml

from quintet.pipelines import Pipeline, Step, models
from quintet.progress import UserError

TEMPLATE = Path(__file__).with_name("skaffold.template.yaml")
NOT_IN_THE_RELEASE = ("base", "build", "metrics-server")
"""What images are built on, and what stands before a release."""
FIRST_PORT = 8000
"""Of this machine, to the first model's API; that of the next model has the next."""


def skaffold(pipelines: Mapping[str, Pipeline]) -> str:
    """Return skaffold.yaml.

    Args:
        pipelines: name -> pipeline.

    Raises:
        UserError: when two images have one name.
    """
    template = TEMPLATE.read_text(encoding="utf-8")
    platform = [artifact["image"] for artifact in yaml.safe_load(template)["build"]["artifacts"]]
    found = (pipeline.server for pipeline in pipelines.values())
    servers = sorted({(server.service, server.program) for server in found if server})
    steps = [step.image for pipeline in pipelines.values() for step in pipeline.steps.values()]
    images = Counter([*platform, *(service for service, _ in servers), *steps])
    if twice := [name for name, count in images.items() if count > 1]:
        raise UserError(
            f"Two images have the name {twice[0]}. Images are named by the platform, by a source's server "
            "(`service`) and by a step (<pipeline>-<step>): give the server or the step another name in its "
            "pipeline.yaml."
        )
    released = sorted(set(images) - set(NOT_IN_THE_RELEASE))
    blocks = {
        "steps": "\n".join(map(_steps, pipelines.values())),
        "servers": "".join(_server(service, program) for service, program in servers),
        "images": "".join(_handed_over(name) for name in released),
        "models": "".join(_forwards(pipelines)),
    }
    return re.sub(r"(?m)^( *)# \$(\w+)\n", lambda place: indent(blocks[place[2]], place[1]), template)


def _steps(pipeline: Pipeline) -> str:
    """Return the images of a pipeline's steps."""
    own = pipeline.folder / "Dockerfile"
    of_step = _own_step if own.exists() else _step
    return f"# The steps of the pipeline {pipeline.name}.\n" + "".join(map(of_step, pipeline.steps.values()))


def _own_step(step: Step) -> str:
    """Return the image of a step whose pipeline brings a Dockerfile, with a target a step."""
    dockerfile = f"pipelines/{step.pipeline.name}/Dockerfile"
    return _image(step.image, f" {{dockerfile: {dockerfile}, target: {step.name}, secrets: *authorities}}")


def _step(step: Step) -> str:
    """Return the image of a step."""
    arguments = {
        "PIPELINE": step.pipeline.name,
        "STEP": step.module.removeprefix(f"{step.pipeline.name}."),
        "LOCK": step.lock.name,
    }
    if files := step.given.get("files"):
        arguments["FILES"] = " ".join(files)
    docker = {
        "dockerfile": "images/step/Dockerfile",
        "target": "step" if step.given.get("init", True) else "without-init",
        "buildArgs": f"{{{', '.join(f'{name}: {value}' for name, value in arguments.items())}}}",
        "secrets": "*authorities",
    }
    return _image(step.image, "".join(f"\n    {key}: {value}" for key, value in docker.items()))


def _server(service: str, program: str) -> str:
    """Return the image of a server of our own."""
    return _image(service, f" {{dockerfile: sources/{program}/Dockerfile, secrets: *authorities}}")


def _image(name: str, docker: str) -> str:
    return f"- image: {name}\n  requires: *on-base\n  docker:{docker}\n"


def _handed_over(name: str) -> str:
    """Return how Skaffold tells Helm of an image."""
    return f'global.images.{name}: "{{{{.IMAGE_FULLY_QUALIFIED_{name.replace("-", "_")}}}}}"\n'


def _forwards(pipelines: Mapping[str, Pipeline]) -> list[str]:
    """Return the ports of the models' APIs, those that `quintet ui` takes."""
    return [
        f"- {{resourceType: service, resourceName: inference-{model}, namespace: quintet, port: 80, "
        f"localPort: {port}}}\n"
        for port, model in enumerate(models(pipelines.values()), FIRST_PORT)
    ]
