"""How often an equal challenger is promoted, and how often a better one: ``make bench-promotion``.

The first run fits each of the four models a dozen times, one thread a model, and keeps their answers.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from bench.promotion.comparisons import BETTER
from bench.promotion.measured import BETTERS, EQUAL, ROWS, measure
from stepkit.promotion.comparison import CONFIDENCE

MODELS = ("crime", "forest", "bitcoin", "penguins")
"""The longest first: two are measured at once."""


def main() -> None:
    """Measures two models at once and prints both tables."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        os.environ[name] = "1"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, max_tasks_per_child=1) as pool:
        found = list(pool.map(measure, MODELS))
    print(f"Equal challengers that are promoted, in %, of {EQUAL} comparisons on {ROWS} rows\n")
    print("| model | metric | refits differ by | if above 0 sufficed | `min_gain` | promoted | on all rows |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for each in found:
        print(
            f"| {each.name} | {each.metric} {each.figure:.3f} | {each.scatter:.4f} |"
            f" {each.without.share:.1%} | {each.min_gain:g} | {each.equal.share:.1%} |"
            f" {each.equal_on_all.share:.1%} of {each.rows:,} |"
        )
    print(f"\nChallengers better by {BETTER} that are promoted, of {BETTERS} comparisons on {ROWS} rows\n")
    print(
        "| model | champion, mended | another refit, mended | its gain's deviation | rows for 80 % of these |"
    )
    print("| --- | --- | --- | --- | --- |")
    for each in found:
        print(
            f"| {each.name} | {each.mended.share:.0%} | {each.better.share:.0%} |"
            f" {each.better.deviation:.4f} | {each.rows_for_power:,} |"
        )
    print(
        f"\nAn interval of {CONFIDENCE:.0%}, by paired bootstrap; its lower end has to be above `min_gain`."
    )


if __name__ == "__main__":
    main()
