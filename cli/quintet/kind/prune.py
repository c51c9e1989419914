"""Room on the disk: images that the files have left behind, and build cache beyond a bound."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from quintet.kind.machine import Machine
from quintet.progress import output, succeeds

KEPT = timedelta(days=7)
"""Another checkout, or going back a commit, wants images of the last days again."""
BUILD_CACHE = "20GB"
LISTING = "{{.Repository}}:{{.Tag}}\t{{.CreatedAt}}"


def prune(machine: Machine, used: Collection[str]) -> int:
    """Remove old images of the names in use, and the build cache that was not used for longest.

    Args:
        machine: whose engine it is.
        used: references that are wanted as they are; of other names nothing is removed.

    Returns:
        How many references were removed.
    """
    listing = output(machine.docker, "image", "ls", "--format", LISTING)
    # One that a container runs or another image stands on stays: Docker refuses to remove it.
    removed = [name for name in superseded(listing, used) if succeeds(machine.docker, "image", "rm", name)]
    output(machine.docker, "builder", "prune", "--force", "--keep-storage", BUILD_CACHE)
    return len(removed)


def superseded(listing: str, used: Collection[str], now: datetime | None = None) -> Iterator[str]:
    """Return the references in a listing that share a name with one in use, are another version, and are old.

    Args:
        listing: lines of `LISTING`.
        used: references in use.
        now: the time that ages are counted to; by default the clock's.
    """
    names = {reference.rpartition(":")[0] for reference in used}
    oldest = (now or datetime.now(UTC)) - KEPT
    for line in listing.splitlines():
        reference, _, created = line.partition("\t")
        old = datetime.strptime(created[:25], "%Y-%m-%d %H:%M:%S %z") < oldest
        if old and reference not in used and reference.rpartition(":")[0] in names:
            yield reference
