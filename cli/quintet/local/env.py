"""``quintet env`` of the local platform: a shell or a notebook in the environment of a pipeline's steps."""

import shlex

from quintet.local.platform import Platform
from quintet.local.state import State
from quintet.ops.shell_variables import OF_MLFLOW, OF_POSTGRES, OF_S3
from quintet.pipelines import pipelines, showcase
from quintet.progress import UserError


def main(state: State, name: str, *, promotion: bool) -> None:
    """Print what a shell has to export, and to forget.

    Args:
        state: of the platform.
        name: of the pipeline whose steps' environment is meant; "" means the showcase, else the first one.
        promotion: with the rights of the step that promotes.

    Raises:
        UserError: when there is no platform or no such pipeline, or it promotes nothing.
    """
    if not state.ports():
        raise UserError(f"There is no local platform in {state.folder}: `quintet up` makes one.")
    known = pipelines()
    if name and name not in known:
        raise UserError(f"There is no pipeline {name}; there are {', '.join(known)}.")
    pipeline = known[name] if name else showcase() or next(iter(known.values()))
    if promotion and not pipeline.promotes:
        raise UserError(f"{pipeline.name} promotes nothing: leave --promotion out, or name another pipeline.")
    exports = {"QUINTET_STATE": str(state.folder)}
    platform = Platform(state)
    for step in pipeline.steps.values():
        if step.promotes == promotion:
            plain, secret = platform.step_environment(pipeline.name, step.name)
            exports |= plain | secret
    print("unset", *OF_S3, *OF_POSTGRES, *OF_MLFLOW)
    for variable, value in exports.items():
        print(f"export {variable}={shlex.quote(value)}")
