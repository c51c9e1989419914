"""Our API beside the servers that a user might pick, on the same model: `python -m bench.serving`.

Each server runs with one worker, and all of them during the whole run; one at a time is under load, in rounds
whose order turns. Before, each has to give scikit-learn's labels. Needs 10 GiB of memory for the forest.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path

from bench.serving import report
from bench.serving.contest import contest
from bench.serving.models import ALGORITHMS, ROOT, trained
from bench.serving.servers import SERVERS

PLOT = ROOT / "docs/images/serving.png"


def main() -> None:
    """Runs and prints; the plot is written when nothing was left out."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is loaded")
    parser.add_argument("--seconds", type=float, default=3, help="how long each time")
    parser.add_argument("--models", nargs="+", choices=ALGORITHMS, default=list(ALGORITHMS))
    parser.add_argument(
        "--only", nargs="+", choices=[server.name for server in SERVERS], default=[], help="these servers"
    )
    arguments = parser.parse_args()
    contests = []
    for model in (model for model in trained() if model.name in arguments.models):
        print(f"{model.name}: starting the servers", flush=True)
        with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
            contests.append(contest(model, arguments.rounds, arguments.seconds, arguments.only, Path(folder)))
        print(f"\n{report.table(contests[-1])}\n", flush=True)
    if not arguments.only and len(contests) == len(ALGORITHMS):
        report.plot(contests, PLOT)
        print(f"The plot is in {PLOT.relative_to(ROOT)}.")
    print(report.last_line(contests[0]))


if __name__ == "__main__":
    main()
