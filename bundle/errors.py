"""What can be wrong with a bundle."""

from __future__ import annotations


class BundleError(Exception):
    """The bundle on disk is not usable: damaged, incomplete, or of a form that this code does not know."""


class BundleRefused(Exception):
    """A fitted model cannot become a bundle, or its bundle answers differently from the model itself."""
