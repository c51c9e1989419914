"""Commands that work on this repository: tools, images, charts, pipelines."""

from typing import Annotated, Final, Literal

import typer

from quintet.commands.app import command

PANEL: Final = "In the repository"


@command("Without a cluster", "new weather --kind train")
def new(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="its folder, Python package, Postgres role and schema"),
    ],
    kind: Annotated[
        Literal["ingest", "train", "files"],
        typer.Option(
            help="what it does first: take in what a run is given, make a model of a table that is served,"
            " or take in files"
        ),
    ] = "ingest",
) -> None:
    """Make the folder of a new pipeline, in the current folder or in the checkout's pipelines/."""
    from quintet import new

    new.main(name, kind)


@command(PANEL, "generate")
def generate() -> None:
    """Write the files that are derived from each pipeline.yaml."""
    from quintet import generated

    generated.main()


@command(PANEL, "install")
def install() -> None:
    """Make the tools again after a change of requirements."""
    from quintet.kind import machine, tools

    tools.ensure_tools(machine.prepare())


@command(PANEL, "tools helm kubectl")
def tools(names: Annotated[list[str], typer.Argument(metavar="NAME", help="such as helm")]) -> None:
    """Provide some of the pinned tools and print their paths."""
    from quintet.kind import machine, tools

    prepared = machine.prepare()
    for name in names:
        print(tools.ensure(prepared, name))


@command(PANEL, "images inference forest-train")
def images(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="default: all")] = None,
) -> None:
    """Build the images that changed."""
    from quintet.kind import images

    _print(images.build_images(names or None))


@command(PANEL, "push registry.example.com/quintet")
def push(
    registry: Annotated[
        str, typer.Argument(metavar="REGISTRY", help="host and path, such as registry.example.com/quintet")
    ],
) -> None:
    """Build and push all images, and write their references to dist/images.yaml."""
    from quintet.kind import images, machine, sbom
    from quintet.ops import release

    prepared = machine.prepare()
    references = images.push_images(registry, machine=prepared)
    _print(references)
    sbom.write(prepared, images.build_images(machine=prepared))
    values = release.write_values(references)
    print(
        "Next: helm install quintet charts/quintet --values charts/quintet/values-samples.yaml "
        f"--values {values}"
    )


@command(PANEL, "sbom")
def sbom() -> None:
    """Write what is in each image to dist/sbom/, as CycloneDX."""
    from quintet.kind import sbom
    from quintet.paths import PLATFORM

    for path in sbom.of_all_images():
        print(path.relative_to(PLATFORM))


@command(PANEL, "audit")
def audit() -> None:
    """Look for known vulnerabilities of what is in the images; code 2: not checked."""
    from quintet.kind import audit, sbom

    print("\n".join(audit.audit(sbom.of_all_images())))


@command(PANEL, "bump")
def bump() -> None:
    """Take today's Debian for the images."""
    from quintet.kind import bump, machine

    print("\n".join(bump.bump(machine.prepare())))


@command(PANEL, "package")
def package() -> None:
    """Write the charts as .tgz files and the wheels of command line and steps to dist/."""
    from quintet import wheels
    from quintet.kind import machine, tools
    from quintet.paths import PLATFORM
    from quintet.progress import stage

    helm = tools.ensure(machine.prepare(), "helm")
    with stage("package", "the charts, to dist/") as current:
        for chart in sorted((PLATFORM / "charts").iterdir()):
            if chart.name != "common":
                current.run(helm, "package", chart, "--destination", PLATFORM / "dist")
    with stage("wheels", "what needs no checkout, to dist/") as current:
        current.outcome = ", ".join(wheel.name for wheel in wheels.build(PLATFORM / "dist"))


def _print(references: dict[str, str]) -> None:
    for name, reference in references.items():
        print(f"{name:20} {reference}")
