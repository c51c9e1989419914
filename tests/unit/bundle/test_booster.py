"""Each bound of a booster's file: what is at it is taken, and what is one beyond it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from bundle import BundleError
from bundle.engines.booster import check_booster
from tests.unit.bundle.booster_files import booster, content, tree

LEARNER = ("learner",)
NUMBERS = ("learner", "learner_model_param")
OBJECTIVE = ("learner", "objective")
MODEL = ("learner", "gradient_booster", "model")
TREE = (*MODEL, "trees", 0)
OF_TREE = (*TREE, "tree_param")
Place = tuple[str | int, ...]


def changed(place: Place, value: Any, model: dict[str, Any]) -> dict[str, Any]:
    """The model with another value at a place."""
    at: Any = model
    for part in place[:-1]:
        at = at[part]
    at[place[-1]] = value
    return model


def check(model: dict[str, Any], classes: int = 2) -> None:
    check_booster(content(model), 2, classes)


def refusal(model: dict[str, Any], classes: int = 2) -> str:
    with pytest.raises(BundleError) as found:
        check(model, classes)
    return str(found.value).removeprefix("model.ubj cannot be used: ")


def ints(*values: int) -> Any:
    return np.array(values, np.int32)


def nodes(**arrays: Iterable[int]) -> dict[str, Any]:
    """A tree of five nodes, some of whose arrays are others."""
    found = tree()
    for name, array in found.items():
        if isinstance(array, np.ndarray) and len(array):
            found[name] = np.resize(array, 5)
    whole = {"left_children": (1, 3, -1, -1, -1), "right_children": (2, 4, -1, -1, -1)}
    whole |= {"parents": (-1, 0, 0, 1, 1), "split_indices": (0, 1, 0, 0, 0)}
    found |= {name: ints(*array) for name, array in {**whole, **arrays}.items()}
    found["tree_param"]["num_nodes"] = "5"
    return found


@pytest.mark.parametrize(("classes", "rounds", "side_by_side"), [(2, 1, 1), (2, 3, 2), (3, 2, 2), (4, 1, 1)])
def test_a_whole_model_is_taken(classes: int, rounds: int, side_by_side: int) -> None:
    model = booster(classes, rounds, side_by_side)
    check(model, classes)
    other = changed((*NUMBERS, "num_feature"), "3", model)
    assert refusal(other, classes) == "it takes 3 columns; the contract has 2"


TAKEN: list[tuple[Place, Any]] = [
    ((*LEARNER, "feature_names"), []),
    ((*LEARNER, "feature_types"), []),
    ((*LEARNER, "feature_types"), ["int", "i"]),
    ((*LEARNER, "feature_types"), ["q", "float"]),
    ((*LEARNER, "attributes"), {"best_iteration": "3"}),
    ((*NUMBERS, "boost_from_average"), "0"),
    ((*NUMBERS, "num_class"), "2"),
    ((*NUMBERS, "base_score"), "5E-1"),
    ((*NUMBERS, "base_score"), "+0.25"),
    ((*OBJECTIVE, "reg_loss_param", "scale_pos_weight"), "1.5e-3"),
    ((*OBJECTIVE, "reg_loss_param", "scale_pos_weight"), "2E+10"),
    ((*MODEL, "cats", "sorted_idx"), ints()),
    ((*OF_TREE, "size_leaf_vector"), "0"),
    ((*TREE, "parents"), ints(-1, 0, 0)),
    ((*TREE, "split_indices"), ints(1, 0, 0)),
    ((*TREE, "default_left"), np.array([1, 0, 1], np.uint8)),
    (TREE, nodes()),
]


@pytest.mark.parametrize(("place", "value"), TAKEN)
def test_what_is_at_a_bound_is_taken(place: Place, value: Any) -> None:
    model = changed(place, value, booster())
    check(model)
    assert refusal(changed((*LEARNER, "more"), "x", model)).startswith("learner does not hold exactly")


NO_SCORE = "one number, or one a class"
NO_LEAF = "tree 0 has parameters that do not fit it"
NO_NAMES = "feature_names are not one a column"
NO_PROBABILITY = "which is not a probability"
NO_GROUPS = "iteration_indptr or tree_info give trees to rounds and classes that there are not"
NO_TARGET = "num_target is not 1, or boost_from_average neither 0 nor 1"
NO_CATEGORIES = "it splits by categories, which no bundle's booster does"
NO_FLAG = "tree 0: default_left or split_type holds an invalid entry"
NO_COLUMN = "tree 0: split_indices names a column that the model does not have"
NO_PLACE = "tree 0: a child is out of place"
REFUSED: list[tuple[Place, Any, str]] = [
    ((*LEARNER, "feature_names"), "ab", NO_NAMES),
    ((*LEARNER, "feature_names"), ["a"], NO_NAMES),
    ((*LEARNER, "feature_names"), ["a", "b", "c"], NO_NAMES),
    ((*LEARNER, "feature_names"), ["a", 1], "feature_names holds an invalid entry"),
    ((*LEARNER, "feature_types"), ["float", "c"], "feature_types holds an invalid entry"),
    ((*LEARNER, "feature_types"), ["float"], "feature_types are not one a column"),
    ((*LEARNER, "attributes"), ["a"], "attributes are not strings"),
    ((*LEARNER, "attributes"), {"a": "b", "c": 1}, "attributes are not strings"),
    ((*LEARNER, "gradient_booster", "name"), "dart", "its booster is 'dart'; known: gbtree"),
    ((*NUMBERS, "num_feature"), "1", "it takes 1 columns; the contract has 2"),
    ((*NUMBERS, "num_feature"), "1" * 10, f"num_feature is {'1' * 10!r}: not a whole number"),
    ((*NUMBERS, "num_feature"), "", "num_feature is '': not a whole number"),
    ((*NUMBERS, "num_feature"), 2, "num_feature is 2: not a whole number"),
    ((*NUMBERS, "num_class"), "-2", "num_class is '-2': not a whole number"),
    ((*NUMBERS, "num_class"), "1", "it tells 1 classes apart; the contract has 2"),
    ((*NUMBERS, "num_class"), "3", "it tells 3 classes apart; the contract has 2"),
    ((*NUMBERS, "num_target"), "2", NO_TARGET),
    ((*NUMBERS, "boost_from_average"), "2", NO_TARGET),
    ((*NUMBERS, "base_score"), 1, "base_score is not a string"),
    *(
        ((*NUMBERS, "base_score"), score, NO_SCORE)
        for score in ("x", "", "inf", "nan", "1e101", "0_1", " 0.5", "[0.5,0.5]")
    ),
    *(((*NUMBERS, "base_score"), score, NO_PROBABILITY) for score in ("0", "1", "-1", "[2]")),
    (OBJECTIVE, ["binary:logistic"], "objective has no name"),
    ((*OBJECTIVE, "name"), 1, "objective has no name"),
    ((*OBJECTIVE, "name"), "multi:softprob", "'multi:softprob' does not tell 2 classes apart"),
    ((*OBJECTIVE, "name"), "reg:squarederror", "(binary:logistic for 2, multi:softprob for more)"),
    *(
        ((*OBJECTIVE, "reg_loss_param", "scale_pos_weight"), weight, "scale_pos_weight is not a number")
        for weight in ("-1", "x", "1e", "", 1)
    ),
    ((*MODEL, "cats", "enc"), ["a"], NO_CATEGORIES),
    ((*MODEL, "cats", "enc"), "", NO_CATEGORIES),
    ((*MODEL, "cats", "feature_segments"), ints(1), NO_CATEGORIES),
    ((*MODEL, "trees"), "t", "num_trees is 1, which is not how many trees there are"),
    ((*MODEL, "trees"), [], "num_trees is 1, which is not how many trees there are"),
    ((*MODEL, "trees"), [tree(0), tree(1)], "num_trees is 1, which is not how many trees there are"),
    ((*MODEL, "gbtree_model_param", "num_trees"), "x", "num_trees is 'x': not a whole number"),
    ((*MODEL, "gbtree_model_param", "num_parallel_tree"), "0", "1 trees are not whole rounds of 0"),
    ((*MODEL, "gbtree_model_param", "num_parallel_tree"), "2", "1 trees are not whole rounds of 2"),
    ((*MODEL, "iteration_indptr"), [0, 2], NO_GROUPS),
    ((*MODEL, "iteration_indptr"), "01", NO_GROUPS),
    ((*MODEL, "tree_info"), [1], NO_GROUPS),
    ((*MODEL, "tree_info"), [], NO_GROUPS),
    ((*TREE, "id"), 1, NO_LEAF),
    ((*OF_TREE, "num_feature"), "1", NO_LEAF),
    ((*OF_TREE, "num_feature"), "3", NO_LEAF),
    ((*OF_TREE, "size_leaf_vector"), "2", NO_LEAF),
    ((*OF_TREE, "num_nodes"), "0", NO_LEAF),
    ((*OF_TREE, "num_deleted"), "3", NO_LEAF),
    ((*OF_TREE, "num_deleted"), "x", "num_deleted is 'x': not a whole number"),
    ((*OF_TREE, "num_deleted"), "1", "tree 0 reaches 3 nodes of 3, of which 1 are deleted"),
    *(
        ((*TREE, name), array, f"tree 0: {name} is not of 3 numbers of its type")
        for name, array in (
            ("base_weights", ints(0, 0, 0)),
            ("base_weights", np.zeros(2, np.float32)),
            ("sum_hessian", np.zeros(4, np.float32)),
            ("left_children", [1, -1, -1]),
            ("parents", np.zeros(3, np.float32)),
            ("split_indices", ints(0, 0)),
            ("default_left", ints(0, 0, 0)),
            ("split_type", np.zeros(2, np.uint8)),
        )
    ),
    ((*TREE, "categories"), ints(1), "tree 0: categories is not of 0 numbers of its type"),
    *(
        (
            (*TREE, "loss_changes"),
            np.array([0, 0, value], np.float32),
            "loss_changes holds a number that is not",
        )
        for value in (np.nan, np.inf, -np.inf)
    ),
    ((*TREE, "default_left"), np.array([0, 0, 2], np.uint8), NO_FLAG),
    ((*TREE, "split_type"), np.array([0, 0, 1], np.uint8), NO_FLAG),
    ((*TREE, "split_indices"), ints(2, 0, 0), NO_COLUMN),
    ((*TREE, "split_indices"), ints(0, 0, -1), NO_COLUMN),
    ((*TREE, "parents"), ints(0, 0, 0), "tree 0: its root has a parent"),
    ((*TREE, "parents"), ints(-2, 0, 0), "tree 0: its root has a parent"),
    ((*TREE, "parents"), ints(-1, 0, 1), "tree 0: parents does not describe it"),
    ((*TREE, "left_children"), ints(-1, -1, -1), "tree 0: a node has one child"),
    ((*TREE, "right_children"), ints(-1, -1, -1), "tree 0: a node has one child"),
    ((*TREE, "left_children"), ints(3, -1, -1), NO_PLACE),
    ((*TREE, "right_children"), ints(3, -1, -1), NO_PLACE),
    ((*TREE, "left_children"), ints(-2, -1, -1), NO_PLACE),
    ((*TREE, "left_children"), ints(0, -1, -1), "tree 0: a node is the child of two"),
    ((*TREE, "left_children"), ints(2, -1, -1), "tree 0: a node is the child of two"),
    (TREE, nodes(parents=(-1, 0, 0, 1, 2)), "tree 0: parents does not describe it"),
    (TREE, nodes(left_children=(1, 0, -1, -1, -1)), "tree 0: a node is the child of two"),
    (TREE, nodes(right_children=(2, 5, -1, -1, -1)), NO_PLACE),
    (
        TREE,
        nodes(left_children=(1, -1, -1, -1, -1), right_children=(2, -1, -1, -1, -1)),
        "tree 0 reaches 3 nodes of 5, of which 0 are deleted",
    ),
]


@pytest.mark.parametrize(("place", "value", "sentence"), REFUSED)
def test_what_is_beyond_a_bound_is_refused(place: Place, value: Any, sentence: str) -> None:
    assert sentence in refusal(changed(place, value, booster()))


@pytest.mark.parametrize(
    "place",
    [
        (),
        LEARNER,
        NUMBERS,
        OBJECTIVE,
        (*OBJECTIVE, "reg_loss_param"),
        MODEL[:-1],
        MODEL,
        (*MODEL, "cats"),
        (*MODEL, "gbtree_model_param"),
        TREE,
        OF_TREE,
    ],
)
def test_a_field_too_many_or_too_few_is_refused(place: Place) -> None:
    def at(model: Any) -> Any:
        for part in place:
            model = model[part]
        return model

    known = sorted(at(booster()))
    names = {(): "the file", (*MODEL, "trees", 0): "tree 0", OF_TREE: "tree_param of tree 0"}
    name = names.get(place, str(place[-1]) if place else "")
    for change in (lambda found: found.update(more=1), lambda found: found.pop(known[-1])):
        model = booster()
        change(at(model))
        said = refusal(model)
        assert said == f"{name} does not hold exactly {', '.join(known)}" or said == "objective has no name"


def test_deleted_nodes_are_not_reached() -> None:
    leaves = nodes(left_children=(1, -1, -1, -1, -1), right_children=(2, -1, -1, -1, -1))
    leaves["tree_param"]["num_deleted"] = "2"
    check(changed(TREE, leaves, booster()))
    leaves["tree_param"]["num_deleted"] = "3"
    assert refusal(changed(TREE, leaves, booster())) == "tree 0 reaches 3 nodes of 5, of which 3 are deleted"


@pytest.mark.parametrize("scores", ["0", "[1e100]", "-1,0,2", "[1,2,3]"])
def test_several_classes_have_one_score_or_one_each(scores: str) -> None:
    model = changed((*NUMBERS, "base_score"), scores, booster(3))
    check(model, 3)
    two = changed((*NUMBERS, "base_score"), "1,2", model)
    assert refusal(two, 3) == "base_score is '1,2': one number, or one a class"


OF_SEVERAL: list[tuple[Place, Any, str]] = [
    ((*OBJECTIVE, "softmax_multiclass_param", "num_class"), "4", "does not tell 3 classes apart"),
    ((*OBJECTIVE, "name"), "binary:logistic", "'binary:logistic' does not tell 3 classes apart"),
    ((*OBJECTIVE, "softmax_multiclass_param", "more"), "4", "softmax_multiclass_param does not hold exactly"),
    ((*OBJECTIVE, "more"), "4", "objective does not hold exactly name, softmax_multiclass_param"),
    ((*MODEL, "gbtree_model_param", "num_parallel_tree"), "2", "3 trees are not whole rounds of 6"),
    ((*MODEL, "tree_info"), [0, 2, 1], NO_GROUPS),
    ((*MODEL, "trees", 2, "id"), 1, "tree 2 has parameters that do not fit it"),
    ((*MODEL, "trees", 1, "parents"), ints(0, 0, 0), "tree 1: its root has a parent"),
]


@pytest.mark.parametrize(("place", "value", "sentence"), OF_SEVERAL)
def test_several_classes_have_a_tree_each(place: Place, value: Any, sentence: str) -> None:
    assert re.search(re.escape(sentence), refusal(changed(place, value, booster(3)), 3))
