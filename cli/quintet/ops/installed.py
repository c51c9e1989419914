"""What a release has: its pipelines, and the models that are served."""

from quintet import pipelines
from quintet.ops.kube import Kube
from quintet.paths import PIPELINES
from quintet.pipelines import Pipeline
from quintet.progress import UserError

API = "inference-"
"""What the name of a model's Deployment and Service begins with."""
LABEL = "app.kubernetes.io/name=inference"


def pipelines_of(kube: Kube) -> dict[str, Pipeline]:
    """Return the pipelines of the release by name, as its values have them."""
    return {
        name: Pipeline(PIPELINES / name, {"name": name, **given})
        for name, given in sorted(kube.pipelines.items())
        if given.get("enabled", True)
    }


def models_of(kube: Kube) -> list[str]:
    """Return the models that have an API: that of the showcase, then the others by name."""
    deployments = kube.apps.list_namespaced_deployment(kube.namespace, label_selector=LABEL).items
    served = sorted(item.metadata.name.removeprefix(API) for item in deployments)
    trained = [name for name in pipelines.models(pipelines_of(kube).values()) if name in served]
    return [*trained, *(name for name in served if name not in trained)]


def model_of(kube: Kube, asked: str = "") -> str:
    """Return a model that has an API.

    Args:
        kube: the platform.
        asked: its name; "" means the first one.

    Raises:
        UserError: when there is none, or none of that name.
    """
    served = models_of(kube)
    if not served:
        raise UserError(
            f"Namespace {kube.namespace} serves no model: each pipeline of the release that has a `model` "
            "brings an API; charts/quintet/values-samples.yaml has some."
        )
    if asked and asked not in served:
        raise UserError(f"Namespace {kube.namespace} serves no model {asked}; it serves {', '.join(served)}.")
    return asked or served[0]
