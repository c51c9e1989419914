"""Commands that work on this machine: the cluster, images, tools, charts."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from quintet import generated, new
from quintet.kind import audit, bump, cluster, images, machine, sbom, tools
from quintet.kind.cluster import Cluster
from quintet.ops import release
from quintet.ops.first_runs import first_runs
from quintet.ops.kube import Kube
from quintet.paths import REPOSITORY
from quintet.progress import stage


def add_commands(commands: Any) -> None:
    """Add these commands to the command line."""

    def add(
        name: str, run: Callable[[argparse.Namespace], None], purpose: str, among: Any = commands
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = among.add_parser(name, help=purpose, description=purpose)
        command.set_defaults(on_machine=run)
        return command

    kind = commands.add_parser("kind", help="the platform on a cluster of its own on this machine")
    on_kind = kind.add_subparsers(dest="kind_command", required=True, metavar="COMMAND")
    add("up", _up, "make or resume the cluster, install the platform, run it once", on_kind)
    add("down", lambda _: cluster.down(Cluster()), "stop the cluster; its data stay", on_kind)
    add("clean", lambda _: cluster.clean(Cluster()), "delete the cluster with all its data", on_kind)
    add("install", _install, "make the tools again after a change of requirements")
    named = add("tools", _tools, "provide some of the pinned tools and print their paths")
    named.add_argument("names", nargs="+", metavar="NAME", help="such as helm")
    built = add("images", _images, "build the images that changed")
    built.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    pushed = add("push", _push, "build and push all images, and write their references to dist/images.yaml")
    pushed.add_argument("registry", help="host and path, such as registry.example.com/quintet")
    add("sbom", _sbom, "write what is in each image to dist/sbom/, as CycloneDX")
    add("audit", _audit, "look for known vulnerabilities of what is in the images; code 2: not checked")
    add("bump", _bump, "take today's Debian for the images")
    new.add_arguments(add("new", new.main, "make the folder of a new pipeline"))
    add("generate", generated.main, "write the files that are derived from each pipeline.yaml")
    add("package", _package, "write the charts as .tgz files to dist/")


def _up(_arguments: argparse.Namespace) -> None:
    started = Cluster()
    platform = cluster.up(started)
    release.install(platform)
    first_runs(Kube(started.namespace, started.kubeconfig))


def _install(_arguments: argparse.Namespace) -> None:
    tools.ensure_tools(machine.prepare())


def _tools(arguments: argparse.Namespace) -> None:
    prepared = machine.prepare()
    for name in arguments.names:
        print(tools.ensure(prepared, name))


def _images(arguments: argparse.Namespace) -> None:
    _print(images.build_images(arguments.names or None))


def _push(arguments: argparse.Namespace) -> None:
    prepared = machine.prepare()
    references = images.push_images(arguments.registry, machine=prepared)
    _print(references)
    sbom.write(prepared, images.build_images(machine=prepared))
    values = REPOSITORY / "dist" / "images.yaml"
    values.parent.mkdir(exist_ok=True)
    values.write_text(yaml.safe_dump(release.values_of(references)), encoding="utf-8")
    print(
        "Next: helm install quintet charts/quintet --values charts/quintet/values-samples.yaml "
        f"--values {values.relative_to(REPOSITORY)}"
    )


def _sbom(_arguments: argparse.Namespace) -> None:
    for path in _bills():
        print(path.relative_to(REPOSITORY))


def _audit(_arguments: argparse.Namespace) -> None:
    print("\n".join(audit.audit(_bills())))


def _bills() -> list[Path]:
    prepared = machine.prepare()
    references = images.build_images(machine=prepared)
    with stage("sbom", f"what is in {len(references)} images"):
        return sbom.write(prepared, references)


def _bump(_arguments: argparse.Namespace) -> None:
    print("\n".join(bump.bump(machine.prepare())))


def _print(references: dict[str, str]) -> None:
    for name, reference in references.items():
        print(f"{name:20} {reference}")


def _package(_arguments: argparse.Namespace) -> None:
    helm = tools.ensure(machine.prepare(), "helm")
    with stage("package", "the charts, to dist/") as current:
        for chart in sorted((REPOSITORY / "charts").iterdir()):
            if chart.name != "common":
                current.run(helm, "package", chart, "--destination", REPOSITORY / "dist")
