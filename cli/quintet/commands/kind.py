"""Commands of the platform on a cluster of its own on this machine."""

from typing import Final

import typer

from quintet.commands.app import Grouped, app, command, in_a_checkout

PANEL: Final = "On a cluster"
kind = typer.Typer(cls=Grouped, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(
    kind, name="kind", help="Run the platform on a cluster of its own on this machine.", rich_help_panel=PANEL
)


@command(PANEL, "kind up", among=kind)
@in_a_checkout
def up() -> None:
    """Make or resume the cluster, install the platform, run it once."""
    from quintet.kind import cluster
    from quintet.ops import first_runs, release
    from quintet.ops.kube import Kube

    started = cluster.Cluster.chosen()
    release.install(cluster.up(started))
    first_runs.first_runs(Kube(started.namespace, started.kubeconfig))


@command(PANEL, "kind down", among=kind)
def down() -> None:
    """Stop the cluster; its data stay."""
    from quintet.kind import cluster

    cluster.down(cluster.Cluster.chosen())


@command(PANEL, "kind clean", among=kind)
def clean() -> None:
    """Delete the cluster with all its data."""
    from quintet.kind import cluster

    cluster.clean(cluster.Cluster.chosen())
