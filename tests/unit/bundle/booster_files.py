"""Boosters in XGBoost's form, written without XGBoost, so that a test can change any part of one."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_MARKS = {np.dtype(np.float32): b"d", np.dtype(np.int32): b"l", np.dtype(np.uint8): b"U"}
_FLOATS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")


def tree(at: int = 0) -> dict[str, Any]:
    """A root over two leaves."""
    return {
        **{name: np.zeros(3, np.float32) for name in _FLOATS},
        "left_children": np.array([1, -1, -1], np.int32),
        "right_children": np.array([2, -1, -1], np.int32),
        "parents": np.array([2**31 - 1, 0, 0], np.int32),
        "split_indices": np.zeros(3, np.int32),
        "default_left": np.zeros(3, np.uint8),
        "split_type": np.zeros(3, np.uint8),
        **{name: np.zeros(0, np.int32) for name in _CATEGORIES},
        "id": at,
        "tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "3", "size_leaf_vector": "1"},
    }


def booster(classes: int = 2, rounds: int = 1, side_by_side: int = 1) -> dict[str, Any]:
    """A model over two columns."""
    groups = classes if classes > 2 else 1
    count = groups * rounds * side_by_side
    objective = (
        {"name": "multi:softprob", "softmax_multiclass_param": {"num_class": str(classes)}}
        if classes > 2
        else {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}
    )
    return {
        "version": [3, 1, 0],
        "learner": {
            "attributes": {},
            "feature_names": ["a", "b"],
            "feature_types": ["float", "float"],
            "objective": objective,
            "learner_model_param": {
                "base_score": "[5E-1]",
                "boost_from_average": "1",
                "num_class": str(classes if classes > 2 else 0),
                "num_feature": "2",
                "num_target": "1",
            },
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "cats": {"enc": [], "feature_segments": np.zeros(0, np.int32), "sorted_idx": []},
                    "gbtree_model_param": {
                        "num_parallel_tree": str(side_by_side),
                        "num_trees": str(count),
                    },
                    "iteration_indptr": list(range(0, count + 1, groups * side_by_side)),
                    "tree_info": [group for group in range(groups) for _ in range(side_by_side)] * rounds,
                    "trees": [tree(at) for at in range(count)],
                },
            },
        },
    }


def content(value: Any) -> bytes:
    """Writes Universal Binary JSON."""
    if isinstance(value, dict):
        return b"{" + b"".join(_text(name) + content(each) for name, each in value.items()) + b"}"
    if isinstance(value, list):
        return b"[#" + _length(len(value)) + b"".join(map(content, value))
    if isinstance(value, np.ndarray):
        raw = value.astype(value.dtype.newbyteorder(">")).tobytes()
        return b"[$" + _MARKS[value.dtype] + b"#" + _length(len(value)) + raw
    return b"S" + _text(value) if isinstance(value, str) else _length(value)


def _length(count: int) -> bytes:
    return b"L" + struct.pack(">q", count)


def _text(text: str) -> bytes:
    return _length(len(text.encode())) + text.encode()
