"""What becomes of damaged bundles with right digests: `python -m bench.serving.damage [COUNT] [SEED]`.

A process of its own opens each bundle and asks it, so that one that ends the process is seen and named. Each
one has to be refused, or to answer what the numbers in its files say, computed here a second time in Python.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bundle
from bench.serving.damages import damage
from bundle.engines import BOOSTER, ubjson
from bundle.reader import columns_from_json

COUNT, SEED = 10_000, 1
ROOT = Path(__file__).resolve().parents[2]
REFUSED, SMOKE, SAME, OTHER = (
    "refused when opened",
    "refused by its smoke answers",
    "answered as without the damage",
    "answered otherwise, as its numbers say",
)
"""What may become of a damaged bundle; anything else is a fault."""


def outcomes(folders: Sequence[Path], first: int, count: int, seed: int) -> Iterator[tuple[int, str]]:
    """Returns what became of damages `first` to `first + count`, from a process; a crash is the last one.

    Args:
        folders: sound bundles, which take turns.
        first: the number of the first damage.
        count: how many.
        seed: of all of them; the same number and seed make the same damage.
    """
    command = [sys.executable, "-m", "bench.serving.damage", "--in-child", str(first), str(count), str(seed)]
    child = subprocess.Popen(
        [*command, *map(str, folders)], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    at = first - 1
    with child:
        assert child.stdout  # noqa: S101 - a pipe was asked for
        for line in child.stdout:
            at, outcome = json.loads(line)
            yield at, outcome
    if child.returncode:
        yield at + 1, f"the process ended with {child.returncode}"


def made(folder: Path) -> list[Path]:
    """Returns one small sound bundle of each engine, written below a folder."""
    from bench.serving.small_bundles import write_all

    return write_all(folder)


def main() -> None:
    """Damages, counts and prints; fails when one bundle ended the process or gave a wrong answer."""
    count, seed = (
        int(sys.argv[at]) if len(sys.argv) > at else usual for at, usual in ((1, COUNT), (2, SEED))
    )
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as temporary:
        folders = made(Path(temporary))
        at = 0
        while at < count:
            for number, outcome in outcomes(folders, at, count - at, seed):
                at = number + 1
                found[f"{folders[number % len(folders)].name}: {outcome}"] += 1
                if outcome not in (REFUSED, SMOKE, SAME, OTHER):
                    print(f"damage {number}: {outcome}", flush=True)
    for outcome, times in sorted(found.items()):
        print(f"{times:6} {outcome}")
    sys.exit(any(outcome.partition(": ")[2] not in (REFUSED, SMOKE, SAME, OTHER) for outcome in found))


def _in_child(first: int, count: int, seed: int, folders: Sequence[Path]) -> None:
    rows = {folder: _asked(folder) for folder in folders}
    for at in range(first, first + count):
        folder = folders[at % len(folders)]
        with tempfile.TemporaryDirectory(prefix="quintet-damage-") as temporary:
            copy = Path(temporary, "bundle")
            shutil.copytree(folder, copy)
            damage(copy, random.Random(f"{seed} {at}"))  # noqa: S311 - the same damage every time
            outcome = _outcome(copy, *rows[folder])
        print(json.dumps([at, outcome]), flush=True)


def _asked(folder: Path) -> tuple[dict[str, list[Any]], NDArray[np.float64]]:
    """Returns rows that are not among the smoke rows, and what the sound bundle answers."""
    sound = bundle.load(folder)
    draw = np.random.default_rng(5)
    given = {
        name: [values[at] for at in draw.integers(0, len(values), 60)]
        for name, values in sound.smoke["columns"].items()
    }
    return given, sound.predict_proba(columns_from_json(sound.contract, given))


def _outcome(folder: Path, given: dict[str, list[Any]], sound: NDArray[np.float64]) -> str:
    try:
        opened = bundle.load(folder)
    except bundle.BundleError:
        return REFUSED
    except Exception as error:
        return f"opening raised {error!r}"
    try:
        opened.check_smoke()
    except bundle.BundleError:
        return SMOKE
    except Exception as error:
        return f"the smoke check raised {error!r}"
    try:
        columns = {each.name: given.get(each.name) or [None] * 60 for each in opened.contract.features}
        matrix, _ = opened.preprocessing.apply(columns_from_json(opened.contract, columns))
        answer = opened.engine.predict_proba(matrix)
        probabilities = opened.probabilities(matrix)
    except Exception as error:
        return f"the answer raised {error!r}"
    whole = np.isclose(probabilities.sum(axis=1), 1, atol=1e-5)
    if not np.isfinite(probabilities).all() or (probabilities < 0).any() or not whole.all():
        return f"probabilities are invalid: {probabilities.tolist()!r:.200}"
    if not np.allclose(answer, computed(folder, opened.contract, matrix), rtol=0, atol=1e-5):
        return "the answer is not what the numbers say"
    same = probabilities.shape == sound.shape and np.allclose(probabilities, sound, rtol=0, atol=1e-9)
    return SAME if same else OTHER


def computed(folder: Path, contract: bundle.Contract, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the probabilities that the files of a bundle mean, without its engines."""
    arrays = {file.stem: np.load(file) for file in (folder / "arrays").glob("*.npy")}
    match contract.engine.type:
        case "forest":
            return np.array([_forest(arrays, row) for row in matrix])
        case "linear":
            return _softmax(matrix @ arrays["coefficients"].T + arrays["intercepts"])
        case "kernel_map":
            distances = ((matrix[:, None, :] - arrays["landmarks"][None]) ** 2).sum(axis=2)
            mapped = np.exp(-contract.engine.parameters["gamma"] * distances) @ arrays["normalization"].T
            return _softmax(mapped @ arrays["coefficients"].T + arrays["intercepts"])
    learner = ubjson.read((folder / BOOSTER).read_bytes(), BOOSTER)["learner"]
    model, classes = learner["gradient_booster"]["model"], len(contract.labels)
    base = np.array(json.loads(f"[{learner['learner_model_param']['base_score'].strip('[]')}]"))
    if classes == 2:
        margins = np.log(base / (1 - base)) + np.zeros((len(matrix), 1))
    else:
        margins = np.zeros((len(matrix), classes)) + base
    for tree, group in zip(model["trees"], model["tree_info"], strict=True):
        margins[:, group] += [_leaf(tree, row) for row in matrix.astype(np.float32)]
    return _softmax(margins if classes > 2 else np.column_stack([np.zeros(len(matrix)), margins]))


def _forest(arrays: dict[str, NDArray[Any]], row: NDArray[np.float64]) -> NDArray[np.float64]:
    left, right = (arrays[name].tolist() for name in ("left", "right"))
    leaves = []
    for root in arrays["roots"].tolist():
        node = root
        while node >= 0:
            value = np.float64(np.float32(row[arrays["feature"][node]]))
            node = (left if value <= arrays["threshold"][node] else right)[node]
        leaves.append(arrays["distributions"][~node])
    mean: NDArray[np.float64] = np.mean(leaves, axis=0)
    return mean


def _leaf(tree: dict[str, Any], row: NDArray[np.float32]) -> float:
    node = 0
    while tree["left_children"][node] != -1:
        below = row[tree["split_indices"][node]] < tree["split_conditions"][node]
        node = int(tree["left_children" if below else "right_children"][node])
    return float(tree["split_conditions"][node])


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-child"]:
        first, count, seed = map(int, sys.argv[2:5])
        _in_child(first, count, seed, [Path(each) for each in sys.argv[5:]])
    else:
        main()
