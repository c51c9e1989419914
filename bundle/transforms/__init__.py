"""What makes a model's features from what a client has, one module each, used by training and by serving.

A contract names a transform, and `transform_named` imports its module when it is asked for: the libraries
that one stands on are not everywhere.
"""

from importlib import import_module
from types import ModuleType

from bundle.errors import BundleError

MODULES = {"bars": "bundle.transforms.bars"}
"""The module of each transform, by the name that contracts have for it."""


def transform_named(name: str) -> ModuleType:
    """Imports the transform that a contract names.

    Raises:
        BundleError: there is no such transform, or a package that it needs is absent.
    """
    if name not in MODULES:
        raise BundleError(
            f"contract.json asks for the transform {name!r}; this code knows {', '.join(sorted(MODULES))}"
        )
    try:
        return import_module(MODULES[name])
    except ImportError as error:
        raise BundleError(f"the transform {name} needs a package that is absent: {error}") from error
