"""Each claim of a contract at its bound, and one step beyond it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bundle import BundleError, Contract, Engine, Feature, Label, Split, Transform
from bundle.claims import alike, check

HEIGHT = Feature("height", "number", imputed=1.0, range=(0.0, 2.0), mean=0.5, scale=2.0, low=-1.0, high=3.0)
SOIL = Feature("soil", "category", imputed="a", categories=("a", "b"))
BY_KEY = Split("key", ("id", "year"), 0.2)
BY_TIME = Split("time", ("day",), 0.2, judged_after=0)
CONTRACT = Contract(
    model="toy",
    target="plants",
    engine=Engine("kernel_map", {"gamma": 0.5}),
    features=(HEIGHT, SOIL),
    labels=(Label(0, "no"), Label(1, "yes")),
    metrics={"accuracy": 0.5},
    data_sha256="d" * 64,
    versions={"numpy": "2"},
    class_weights=(1.0, 0.25),
    transforms=(Transform("times", {"zone": "UTC"}),),
    split=BY_KEY,
)
LAST_MOMENT = 253_402_300_799_999
"""Of the year 9999."""
NO_MOMENT = "it must be milliseconds since 1970"


def of(feature: Feature) -> Contract:
    return replace(CONTRACT, features=(feature, SOIL if feature.type == "number" else HEIGHT))


def split(kind: Any, /, **more: Any) -> Contract:
    return replace(CONTRACT, split=replace(BY_KEY if kind == "key" else BY_TIME, **more))


TAKEN = [
    CONTRACT,
    replace(CONTRACT, class_weights=None, transforms=(), split=None, metrics={}, versions={}),
    replace(CONTRACT, class_weights=(1e100, 1e-100)),
    replace(CONTRACT, engine=Engine("linear", {"gamma": 1e100})),
    replace(CONTRACT, labels=(Label(-(2**63), "least"), Label(2**63 - 1, "most"))),
    of(replace(HEIGHT, mean=-1e100, imputed=10**100, scale=1e-100)),
    of(replace(HEIGHT, range=None, low=None, high=None)),
    of(replace(HEIGHT, range=(1.0, 1.0), low=2, high=2)),
    of(replace(HEIGHT, low=None)),
    of(replace(HEIGHT, high=None)),
    of(replace(SOIL, nullable=True)),
    split("time"),
    split("time", judged_after=LAST_MOMENT),
    split("time", test_share=0.999),
]


@pytest.mark.parametrize("contract", TAKEN)
def test_what_a_contract_may_claim_is_taken(contract: Contract) -> None:
    check(contract)
    with pytest.raises(BundleError, match="it has no features or no labels"):
        check(replace(contract, labels=()))


NUMBER = "it must be a number within 1e+100"
NO_LABEL = "no integer of 64 bits"
REFUSED: list[tuple[Contract, str]] = [
    (replace(CONTRACT, model=1), "model is 1: it must be a text"),
    (replace(CONTRACT, target=None), "target is None: it must be a text"),
    (replace(CONTRACT, data_sha256="\ud800"), "data_sha256 is '\\ud800': it must be a text"),
    *(
        (replace(CONTRACT, target=name), f"the target {name!r} is the name of another field of an answer")
        for name in ("class_name", "unknown_categories", "unknown_fields", "probabilities")
    ),
    (replace(CONTRACT, features=()), "it has no features or no labels"),
    (
        replace(CONTRACT, features=(HEIGHT, HEIGHT)),
        "two of the features are called alike: ['height', 'height']",
    ),
    (
        replace(CONTRACT, labels=(Label(0, "no"), Label(1, "no"))),
        "two of the labels are called alike: ['no', 'no']",
    ),
    (
        replace(CONTRACT, labels=(Label(3, "no"), Label(3, "yes"))),
        "two of the labels are called alike: [3, 3]",
    ),
    (replace(CONTRACT, labels=(Label(0, 5),)), "the name of a label is 5: it must be a text"),
    *(
        (
            replace(CONTRACT, labels=(Label(value, "no"),)),
            f"the label 'no' has the value {value!r}: {NO_LABEL}",
        )
        for value in (True, 1.0, "1", 2**63, -(2**63) - 1)
    ),
    *(
        (replace(CONTRACT, class_weights=(1.0, weight)), f"one of class_weights is {weight!s}: {NUMBER}")
        for weight in (True, "1", 1e101, float("nan"))
    ),
    *(
        (
            replace(CONTRACT, class_weights=(1.0, weight)),
            f"class_weights has {weight!r}, which leaves nothing of a probability",
        )
        for weight in (0.0, 1e-101, -1.0)
    ),
    (replace(CONTRACT, engine=Engine(1, {})), "the engine is 1: it must be a text"),
    (replace(CONTRACT, engine=Engine("linear", [])), "the engine's parameters: it must be an object"),
    (
        replace(CONTRACT, engine=Engine("linear", {"gamma": True})),
        f"the engine's parameters: gamma is True: {NUMBER}",
    ),
    (
        replace(CONTRACT, engine=Engine("linear", {1: 1.0})),
        "a name of the engine's parameters is 1: it must be a text",
    ),
    (replace(CONTRACT, metrics={"accuracy": "x"}), f"metrics: accuracy is x: {NUMBER}"),
    (replace(CONTRACT, metrics=[]), "metrics: it must be an object"),
    (replace(CONTRACT, versions=()), "versions: it must be an object"),
    (replace(CONTRACT, versions={"numpy": 2}), "the version of numpy is 2: it must be a text"),
    (replace(CONTRACT, transforms=(Transform(2, {}),)), "the name of a transform is 2"),
    (
        replace(CONTRACT, transforms=(Transform("times", []),)),
        "the parameters of the transform times: it must be an object",
    ),
    (replace(CONTRACT, transforms=CONTRACT.transforms * 2), "two of the transforms are called alike"),
    (split("key", kind="place"), "the split has the kind 'place': it must be key or time"),
    (split("key", key=()), "the split has no key: name the columns that a row's side depends on"),
    (split("key", key=("id", 1)), "a column of the split's key is 1: it must be a text"),
    (split("key", key=("id", "id")), "two of the columns of the split's key are called alike"),
    *(
        (split("key", test_share=share), f"the split's test_share is {share!r}: it must be between 0 and 1")
        for share in (0, 1, 0.0, 1.0, -0.1, 1.5)
    ),
    (split("key", test_share=True), f"the split's test_share is True: {NUMBER}"),
    (split("key", salt=1), "the split's salt is 1: it must be a text"),
    (split("key", judged_after=0), "a split by key has judged_after 0: that is for splits by time"),
    *(
        (split("time", judged_after=value), f"judged_after of a split by time is {value!r}: {NO_MOMENT}")
        for value in (None, True, 1.0, -1, LAST_MOMENT + 1)
    ),
    (of(replace(HEIGHT, name="")), "a feature has no name"),
    (of(replace(HEIGHT, name=3)), "the name of a feature is 3: it must be a text"),
    (of(replace(HEIGHT, log=1)), "height: log and nullable are true or false"),
    (of(replace(HEIGHT, nullable=0)), "height: log and nullable are true or false"),
    (of(replace(HEIGHT, categories=("a",))), "height is a number and has categories"),
    (of(replace(HEIGHT, imputed="1")), f"a number of height is 1: {NUMBER}"),
    (of(replace(HEIGHT, imputed=True)), f"a number of height is True: {NUMBER}"),
    (of(replace(HEIGHT, mean=2e100)), f"a number of height is 2e+100: {NUMBER}"),
    (of(replace(HEIGHT, imputed=10**400)), f"a number of height is {'1' + '0' * 59}: {NUMBER}"),
    (of(replace(HEIGHT, scale=0.0)), "height has the scale 0.0: it must be above 0"),
    (of(replace(HEIGHT, scale=-1.0)), "height has the scale -1.0: it must be above 0"),
    (of(replace(HEIGHT, scale=1e-101)), "height has the scale 1e-101: it must be above 0"),
    (of(replace(HEIGHT, range=(1.0,))), "height: a range has two ends"),
    (of(replace(HEIGHT, range=())), "height: a range has two ends"),
    (of(replace(HEIGHT, range=(True, 2.0))), f"a bound of height is True: {NUMBER}"),
    (of(replace(HEIGHT, range=(2.0, 1.0))), "height: the lower bound 2.0 is above the upper 1.0"),
    (of(replace(HEIGHT, low=4.0)), "height: the lower bound 4.0 is above the upper 3.0"),
    (of(replace(HEIGHT, high="9")), f"a bound of height is 9: {NUMBER}"),
    (of(replace(SOIL, imputed=1.0)), "a category of soil is 1.0: it must be a text"),
    (of(replace(SOIL, categories=("a", 2))), "a category of soil is 2: it must be a text"),
    (
        of(replace(SOIL, categories=("a", "b", " A"))),
        "soil has the categories 'a' and ' A': neither case, outer blanks nor what nobody sees tells"
        " categories apart in a request, so write them alike before training",
    ),
    (
        of(replace(SOIL, categories=("a", "Lim\u00f3n", "Limo\u0301n"))),
        "soil has the categories 'Lim\\xf3n' and 'Limo\\u0301n': neither case, outer blanks nor what nobody",
    ),
]


@pytest.mark.parametrize(("contract", "sentence"), REFUSED)
def test_what_a_contract_may_not_claim_is_refused(contract: Contract, sentence: str) -> None:
    with pytest.raises(BundleError) as refused:
        check(contract)
    assert str(refused.value).startswith(f"contract.json: {sentence}")


@pytest.mark.parametrize(
    ("categories", "twins"),
    [
        ([], None),
        (["a", "b", "a b"], None),
        (["STRASSE", "b", "straße"], ("STRASSE", "straße")),
        (["a", "b", "b\t", "A"], ("b", "b\t")),
        (["5-10", "5\u201310", "b"], ("5-10", "5\u201310")),
        (["b", "B\u200b "], ("b", "B\u200b ")),
    ],
)
def test_categories_are_alike_that_look_the_same_but_for_case_and_outer_blanks(
    categories: list[str], twins: tuple[str, str] | None
) -> None:
    assert alike(categories) == twins
