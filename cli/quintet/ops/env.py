"""``quintet env``: lines for a shell, by which tools here have the rights of a pipeline's step alone."""

import os
import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from quintet.kind.cluster import Cluster
from quintet.kind.debian import base_arguments
from quintet.kind.machine import Machine, buildkit_cli, image_source
from quintet.ops.installed import pipelines_of
from quintet.ops.kube import Kube
from quintet.ops.shell_variables import OF_MLFLOW, OF_POSTGRES, OF_S3, OF_THE_CLUSTER
from quintet.ops.ui import PORT_FORWARDS, refuse_unknown
from quintet.paths import cache_dir
from quintet.pipelines import Pipeline, showcase
from quintet.progress import Stage, UserError

FORWARDED = ("postgres", "s3", "mlflow")
"""What the tools of a shell ask, by the names of the forwards of `quintet ui`."""


def main(kube: Kube, ports: Mapping[str, int], pipeline: str, *, promotion: bool) -> None:
    """Print what a shell has to export, and to forget: the addresses are those that `quintet ui` forwards.

    Args:
        kube: the platform.
        ports: those that `quintet ui` was given.
        pipeline: whose rights; "" means the showcase's, else the first one's.
        promotion: with the rights of the step that promotes.

    Raises:
        UserError: when the release has no such pipeline, it promotes nothing, or a port has no use here.
    """
    forwarded = {name: PORT_FORWARDS[name].local for name in FORWARDED}
    refuse_unknown(ports, forwarded)
    tools = _tools()
    rights = connections(kube, {**forwarded, **ports}, chosen(kube, pipeline), promotion=promotion)
    exports = {**rights, **direct(os.environ), **tools}
    print("unset", *OF_S3, *OF_POSTGRES, *OF_MLFLOW, *(OF_THE_CLUSTER if tools else ()))
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")


def chosen(kube: Kube, name: str) -> Pipeline:
    """Return a pipeline of the release.

    Args:
        kube: the platform.
        name: of the pipeline; "" means the showcase, else the first one.

    Raises:
        UserError: when the release has none, or none of that name.
    """
    known = pipelines_of(kube)
    if not known:
        raise UserError("The release has no pipeline, and a shell has the rights of a pipeline's steps.")
    if name and name not in known:
        raise UserError(f"The release has no pipeline {name}; it has {', '.join(known)}.")
    return known[name] if name else showcase(known.values()) or next(iter(known.values()))


def connections(
    kube: Kube, ports: dict[str, int], pipeline: Pipeline, *, promotion: bool = False
) -> dict[str, str]:
    """Return the environment of a step of a pipeline, with the addresses of forwarded ports.

    Args:
        kube: the platform.
        ports: where `postgres`, `s3` and `mlflow` are on this machine.
        pipeline: whose step.
        promotion: of the step that promotes, which alone writes the record and moves the alias.

    Raises:
        UserError: when no step of the pipeline promotes.
    """
    if promotion and not pipeline.promoting_step:
        raise UserError(f"{pipeline.name} promotes nothing: leave --promotion out, or name another pipeline.")
    user = f"{pipeline.name}-promotion" if promotion else pipeline.name
    checksums = ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")
    exports = {
        "AWS_ENDPOINT_URL_S3": f"http://localhost:{ports['s3']}",
        "AWS_ACCESS_KEY_ID": kube.secret(f"minio-{pipeline.name}", "access-key"),
        "AWS_SECRET_ACCESS_KEY": kube.secret(f"minio-{pipeline.name}", "secret-key"),
        "AWS_DEFAULT_REGION": "us-east-1",
        **(dict.fromkeys(checksums, kube.s3_checksums) if kube.s3_checksums else {}),
    }
    if pipeline.schemas:
        database = urlsplit(kube.secret(f"postgres-{user}", "url"))
        login = database.netloc.rpartition("@")[0]
        exports["DATABASE_URL"] = database._replace(netloc=f"{login}@localhost:{ports['postgres']}").geturl()
    if pipeline.model:
        exports |= {
            "MLFLOW_TRACKING_URI": f"http://localhost:{ports['mlflow']}",
            "MLFLOW_TRACKING_USERNAME": kube.secret(f"mlflow-{user}", "username"),
            "MLFLOW_TRACKING_PASSWORD": kube.secret(f"mlflow-{user}", "password"),
            # The presigned URLs that MLflow would hand out lead to an S3 inside the cluster.
            "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
            "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
        }
    return exports


def direct(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a proxy of the shell is not asked for forwarded ports."""
    exports = {}
    for name in ("NO_PROXY", "no_proxy"):
        known = [entry for entry in environment.get(name, "").split(",") if entry]
        exports[name] = ",".join(dict.fromkeys([*known, "localhost", "127.0.0.1"]))
    return exports


def _tools() -> dict[str, str]:
    """Return what kubectl, Helm and Skaffold need for the cluster of `make up`; nothing without one."""
    cluster = Cluster.chosen()
    docker = buildkit_cli()
    if not cluster.kubeconfig.exists() or docker is None:
        return {}
    machine = Machine(docker, *image_source())
    debian = base_arguments(machine, Stage("debian-image"))
    folders = [str(path) for path in sorted(cache_dir("tools").iterdir()) if path.is_dir()]
    return {
        "KUBECONFIG": str(cluster.kubeconfig),
        "PATH": os.pathsep.join([str(docker.parent), *folders, os.environ["PATH"]]),
        "DOCKER_BUILDKIT": "1",
        "DEBIAN_IMAGE": debian["BASE_IMAGE"],
        "DEBIAN_SNAPSHOT": debian["DEBIAN_SNAPSHOT"],
        "SKAFFOLD_DEFAULT_REPO": cluster.registry,
        # The end of `skaffold dev` would uninstall the platform.
        "SKAFFOLD_CLEANUP": "false",
    }
