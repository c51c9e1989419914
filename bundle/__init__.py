"""A model as data: what training hands to serving. Loading a bundle runs no code of its maker.

A bundle is a directory:

    contract.json   what the model takes and gives, its preprocessing, where it came from
    smoke.json      a few inputs with the answers they must get
    arrays/*.npy    the fitted numbers, memory-mapped
    model.ubj       XGBoost's own form of a model, where that is what was fitted
    digests.json    the sha256 of every other file; its own sha256 is the bundle's digest

Reading needs numpy alone. `export` and `verify_against` are for training and need scikit-learn.
"""

from bundle.contract import Contract, Engine, Feature, Label, Split, Transform
from bundle.errors import BundleError, BundleRefused
from bundle.exporter import engine_of, export, versions, with_made, write
from bundle.preprocessing import Columns, normalise_category
from bundle.proof import verify_against
from bundle.reader import Bundle, Prediction, load

__all__ = [
    "Bundle",
    "BundleError",
    "BundleRefused",
    "Columns",
    "Contract",
    "Engine",
    "Feature",
    "Label",
    "Prediction",
    "Split",
    "Transform",
    "engine_of",
    "export",
    "load",
    "normalise_category",
    "verify_against",
    "versions",
    "with_made",
    "write",
]
