"""The image of a step that is edited: built and pushed after each save by as few commands as it takes."""

from quintet.kind.debian import base_arguments
from quintet.kind.images import Plan, build_one, held, plan, push_images
from quintet.kind.machine import Machine
from quintet.progress import Stage, stage


class StepImage:
    """The image of a step in the registry of a cluster.

    Args:
        machine: that builds it.
        registry: host, port and path.
        name: of the image.
    """

    def __init__(self, machine: Machine, registry: str, name: str) -> None:
        self._machine, self._registry, self._name = machine, registry, name
        self._debian = base_arguments(machine, Stage("debian-image"))
        self._below: dict[str, str] = {}

    def push(self) -> str:
        """Build the image of the files as they are now, unless the registry has it, and return its reference.

        Raises:
            UserError: when it cannot be built or pushed.
        """
        planned = plan(self._debian, [self._name])
        below = {name: tag for name, tag in planned.tags.items() if name != self._name}
        if below != self._below:
            # The first time, and when what it stands on was edited too.
            reference = push_images(self._registry, [self._name], self._machine)[self._name]
            self._below = below
            return reference
        reference = f"{self._registry}/{self._name}:{planned.tags[self._name]}"
        if not held(reference):
            self._push(planned, reference)
        return f"{reference}@{held(reference)}"

    def _push(self, planned: Plan, reference: str) -> None:
        (artifact,) = (each for each in planned.artifacts if each.name == self._name)
        build_one(self._machine, planned, artifact, reference)
        with stage("push", reference) as current:
            current.run(self._machine.docker, "push", reference)
