"""The check of a booster's file before XGBoost gets it, which trusts what it reads.

XGBoost's reader and its prediction follow the indices of a model without comparing them with the arrays that
they lead into: a child, a column or a class out of bounds ends the process. So the file is read here first,
and whatever it holds must be known, of the right length and within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.engines import ubjson
from bundle.engines.arrays import BOOSTER, LARGEST
from bundle.errors import BundleError

_ROOT_HAS_NO_PARENT = 2**31 - 1
_FLOATS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_INDICES = ("left_children", "right_children", "parents", "split_indices")
_FLAGS = ("default_left", "split_type")
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_TREE = {*_FLOATS, *_INDICES, *_FLAGS, *_CATEGORIES, "id", "tree_param"}


def check_booster(content: bytes, columns: int, classes: int) -> None:
    """Checks that a file holds trees over `columns` that tell `classes` apart, by the objective for so many.

    Raises:
        BundleError: it does not; says what is wrong.
    """
    learner = _fields(ubjson.read(content, BOOSTER), "the file", {"learner", "version"})["learner"]
    names = {"attributes", "feature_names", "feature_types", "gradient_booster"}
    _fields(learner, "learner", names | {"learner_model_param", "objective"})
    _check_names(learner, columns)
    _check_parameters(learner["learner_model_param"], columns, classes)
    groups = _check_objective(learner["objective"], classes)
    booster = _fields(learner["gradient_booster"], "gradient_booster", {"model", "name"})
    if booster["name"] != "gbtree":
        raise _refusal(f"its booster is {booster['name']!r}; known: gbtree")
    _check_model(booster["model"], columns, groups)


def _check_names(learner: Mapping[str, Any], columns: int) -> None:
    for name, known in (("feature_names", None), ("feature_types", {"float", "int", "i", "q"})):
        found = learner[name]
        if not isinstance(found, list) or len(found) not in (0, columns):
            raise _refusal(f"{name} are not one a column")
        if not all(isinstance(each, str) and (known is None or each in known) for each in found):
            raise _refusal(f"{name} holds an invalid entry")
    attributes = learner["attributes"]
    if not isinstance(attributes, dict) or not all(isinstance(each, str) for each in attributes.values()):
        raise _refusal("attributes are not strings")


def _check_parameters(found: Any, columns: int, classes: int) -> None:
    names = {"base_score", "boost_from_average", "num_class", "num_feature", "num_target"}
    parameters = _fields(found, "learner_model_param", names)
    if (taken := _whole(parameters["num_feature"], "num_feature")) != columns:
        raise _refusal(f"it takes {taken} columns; the contract has {columns}")
    told_apart = _whole(parameters["num_class"], "num_class") or 2
    if told_apart != classes:
        raise _refusal(f"it tells {told_apart} classes apart; the contract has {classes}")
    if parameters["num_target"] != "1" or parameters["boost_from_average"] not in ("0", "1"):
        raise _refusal("num_target is not 1, or boost_from_average neither 0 nor 1")
    scores = parameters["base_score"]
    if not isinstance(scores, str):
        raise _refusal("base_score is not a string")
    parts = scores.removeprefix("[").removesuffix("]").split(",")
    if len(parts) not in (1, classes if classes > 2 else 1):
        raise _refusal(f"base_score is {scores!r}: one number, or one a class")
    for part in parts:
        try:
            close = abs(float(part)) <= LARGEST
        except ValueError:
            close = False
        if not close or re.fullmatch(r"[-+.0-9Ee]+", part) is None:
            raise _refusal(f"base_score is {scores!r}: one number, or one a class")
        if classes == 2 and not 0 < float(part) < 1:
            raise _refusal(f"base_score is {scores!r}, which is not a probability")


def _check_objective(found: Any, classes: int) -> int:
    """Returns how many trees a round has: one a class, or one for two classes."""
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise _refusal("objective has no name")
    if found["name"] == "binary:logistic" and classes == 2:
        _fields(found, "objective", {"name", "reg_loss_param"})
        weights = _fields(found["reg_loss_param"], "reg_loss_param", {"scale_pos_weight"})
        if not isinstance(weights["scale_pos_weight"], str) or not re.fullmatch(
            r"[0-9.]+([eE][-+]?[0-9]+)?", weights["scale_pos_weight"]
        ):
            raise _refusal("scale_pos_weight is not a number")
        return 1
    if found["name"] == "multi:softprob" and classes > 2:
        _fields(found, "objective", {"name", "softmax_multiclass_param"})
        parameters = _fields(found["softmax_multiclass_param"], "softmax_multiclass_param", {"num_class"})
        if _whole(parameters["num_class"], "num_class") == classes:
            return classes
    raise _refusal(
        f"its objective {found['name']!r} does not tell {classes} classes apart "
        "(binary:logistic for 2, multi:softprob for more)"
    )


def _check_model(found: Any, columns: int, groups: int) -> None:
    names = {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"}
    model = _fields(found, "model", names)
    categories = _fields(model["cats"], "cats", {"enc", "feature_segments", "sorted_idx"})
    if any(not isinstance(each, list | np.ndarray) or len(each) for each in categories.values()):
        raise _refusal("it splits by categories, which no bundle's booster does")
    parameters = _fields(
        model["gbtree_model_param"], "gbtree_model_param", {"num_parallel_tree", "num_trees"}
    )
    trees = model["trees"]
    count, side_by_side = (_whole(parameters[name], name) for name in ("num_trees", "num_parallel_tree"))
    if not isinstance(trees, list) or len(trees) != count or count == 0:
        raise _refusal(f"num_trees is {count}, which is not how many trees there are")
    a_round = groups * side_by_side
    if a_round == 0 or count % a_round:
        raise _refusal(f"{count} trees are not whole rounds of {a_round}")
    rounds = list(range(0, count + 1, a_round))
    of_group = [at % a_round // side_by_side for at in range(count)]
    if _integers(model["iteration_indptr"]) != rounds or _integers(model["tree_info"]) != of_group:
        raise _refusal("iteration_indptr or tree_info give trees to rounds and classes that there are not")
    for at, tree in enumerate(trees):
        _check_tree(tree, at, columns)


def _check_tree(found: Any, at: int, columns: int) -> None:
    tree = _fields(found, f"tree {at}", _TREE)
    names = {"num_deleted", "num_feature", "num_nodes", "size_leaf_vector"}
    parameters = _fields(tree["tree_param"], f"tree_param of tree {at}", names)
    nodes, deleted, taken, leaf = (
        _whole(parameters[name], name)
        for name in ("num_nodes", "num_deleted", "num_feature", "size_leaf_vector")
    )
    if tree["id"] != at or taken != columns or leaf > 1 or nodes < 1 or deleted >= nodes:
        raise _refusal(f"tree {at} has parameters that do not fit it")
    for kinds, wanted in ((_FLOATS, "f"), (_INDICES, "i"), (_FLAGS, "u"), (_CATEGORIES, "i")):
        for name in kinds:
            array = tree[name]
            length = 0 if kinds is _CATEGORIES else nodes
            if not isinstance(array, np.ndarray) or array.dtype.kind != wanted or len(array) != length:
                raise _refusal(f"tree {at}: {name} is not of {length} numbers of its type")
            if wanted == "f" and not np.isfinite(array).all():
                raise _refusal(f"tree {at}: {name} holds a number that is not finite")
    if (tree["default_left"] > 1).any() or (tree["split_type"] != 0).any():
        raise _refusal(f"tree {at}: default_left or split_type holds an invalid entry")
    _check_walks(tree, at, nodes, deleted, columns)


def _check_walks(tree: Mapping[str, NDArray[Any]], at: int, nodes: int, deleted: int, columns: int) -> None:
    left, right, parents = (tree[name] for name in ("left_children", "right_children", "parents"))
    if (tree["split_indices"] < 0).any() or (tree["split_indices"] >= columns).any():
        raise _refusal(f"tree {at}: split_indices names a column that the model does not have")
    if parents[0] not in (-1, _ROOT_HAS_NO_PARENT):
        raise _refusal(f"tree {at}: its root has a parent")
    met = np.zeros(nodes, dtype=bool)
    met[0] = True
    level = np.zeros(1, dtype=np.int64)
    while len(level):
        if ((left[level] == -1) != (right[level] == -1)).any():
            raise _refusal(f"tree {at}: a node has one child")
        inner = level[left[level] != -1]
        level = np.concatenate([left[inner], right[inner]]).astype(np.int64)
        if (level < 0).any() or (level >= nodes).any():
            raise _refusal(f"tree {at}: a child is out of place")
        if met[level].any() or len(np.unique(level)) < len(level):
            raise _refusal(f"tree {at}: a node is the child of two")
        if (parents[level] != np.tile(inner, 2)).any():
            raise _refusal(f"tree {at}: parents does not describe it")
        met[level] = True
    if (reached := int(met.sum())) != nodes - deleted:
        raise _refusal(f"tree {at} reaches {reached} nodes of {nodes}, of which {deleted} are deleted")


def _fields(found: Any, place: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(found, dict) or found.keys() != names:
        raise _refusal(f"{place} does not hold exactly {', '.join(sorted(names))}")
    return found


def _integers(found: Any) -> list[int]:
    return [each for each in found if isinstance(each, int)] if isinstance(found, list) else []


def _whole(text: Any, name: str) -> int:
    if not isinstance(text, str) or re.fullmatch("[0-9]{1,9}", text) is None:
        raise _refusal(f"{name} is {text!r}: not a whole number")
    return int(text)


def _refusal(problem: str) -> BundleError:
    return BundleError(f"{BOOSTER} cannot be used: {problem}")
