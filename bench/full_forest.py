"""The 100-tree forest on the whole covertype file: our training and bundle beside plain scikit-learn.

    python -m bench.full_forest

Each way runs in a process of its own, so that its peak of memory is its own. Needs 6 GiB and some minutes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
COVERTYPE = ROOT / "sources/forest_api/data/covertype.csv.gz"
TREES = 100
SEED = 42
TARGET_MEGABYTES, TARGET_LOAD_SECONDS, TARGET_GIBIBYTES = 400, 2, 6


def main() -> None:
    """Runs both ways and prints them side by side."""
    if len(sys.argv) > 1:
        print(json.dumps(WAYS[sys.argv[1]]()))
        return
    found = {}
    for way in WAYS:
        command = [sys.executable, "-m", "bench.full_forest", way]
        environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'pipelines'}", "PATH": ""}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        found[way] = json.loads(done.stdout)
    print(f"| {TREES} trees, whole file, 80/20 | {' | '.join(found)} |")
    print(f"|---|{'---|' * len(found)}")
    for name in found["quintet"]:
        cells = (written(results[name]) if name in results else "-" for results in found.values())
        print(f"| {name} | {' | '.join(cells)} |")


def quintet() -> dict[str, float]:
    """Trains as `forest.train` does, exports, proves and opens the bundle as serving does."""
    import bundle
    from bundle.exporter import columns_of
    from forest.models import fit, scores
    from forest.schema import COVER_TYPES, NAMES
    from forest.snapshot import FEATURES, TARGET, Snapshot, clean

    snapshot = Snapshot(clean(pd.read_csv(COVERTYPE).set_axis(list(NAMES), axis=1)), 1, "")
    options = {"seed": SEED, "n_estimators": TREES, "svc_max_rows": 0, "svc_components": 0}
    (pipeline, _), fit_seconds = timed(lambda: fit("random_forest", snapshot.train, **options))
    test = snapshot.test[list(FEATURES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bundle")
        _, export_seconds = timed(
            lambda: bundle.export(
                pipeline,
                snapshot.train[list(FEATURES)],
                path,
                model="forest",
                target=TARGET,
                label_names=dict(enumerate(COVER_TYPES)),
                metrics={},
                data_sha256=snapshot.sha256,
            )
        )
        opened, load_seconds = timed(lambda: bundle.load(path))
        bundle.verify_against(pipeline, opened, test)
        answer, predict_seconds = timed(lambda: opened.predict(columns_of(test)))
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {
        "train rows": len(snapshot.train),
        "test rows": len(snapshot.test),
        **scores(snapshot.test[TARGET].to_numpy(), answer.labels),
        "fit s": fit_seconds,
        "export s": export_seconds,
        f"bundle MB (at most {TARGET_MEGABYTES})": size / 1e6,
        f"load with digests s (at most {TARGET_LOAD_SECONDS})": load_seconds,
        "predict test rows s": predict_seconds,
        "labels that differ from scikit-learn": int((answer.labels != pipeline.predict(test)).sum()),
        f"peak memory GiB (at most {TARGET_GIBIBYTES})": peak_gibibytes(),
    }


def plain() -> dict[str, float]:
    """Trains with scikit-learn alone, on a stratified random split."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = pd.read_csv(COVERTYPE)
    target = rows.pop("Cover_Type")
    train, test, train_target, test_target = train_test_split(
        rows, target, test_size=0.2, stratify=target, random_state=SEED
    )
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [("one_hot", encoder, ["Wilderness_Area", "Soil_Type"])], remainder="passthrough"
    )
    forest = RandomForestClassifier(TREES, random_state=SEED, n_jobs=-1)
    pipeline, fit_seconds = timed(lambda: make_pipeline(columns, forest).fit(train, train_target))
    predicted, predict_seconds = timed(lambda: pipeline.predict(test))
    return {
        "train rows": len(train),
        "test rows": len(test),
        "accuracy": float(accuracy_score(test_target, predicted)),
        "f1_macro": float(f1_score(test_target, predicted, average="macro")),
        "fit s": fit_seconds,
        "predict test rows s": predict_seconds,
        f"peak memory GiB (at most {TARGET_GIBIBYTES})": peak_gibibytes(),
    }


def written(value: float) -> str:
    """Writes counts whole and measurements with four digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Returns a result and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def peak_gibibytes() -> float:
    """Returns the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


WAYS: dict[str, Callable[[], dict[str, float]]] = {"quintet": quintet, "plain": plain}

if __name__ == "__main__":
    main()
