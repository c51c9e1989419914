"""What `make mutants` runs: mutmut changes `bundle` and `stepkit` in small ways, and the tests have to fail.

    python -m tests.mutation [--children N] [--no-servers] [--sample N [--seed N]] [MODULE | MUTANT ...]

mutmut keeps what it found in `mutants/` and tries again only what it has to: mutants of functions that were
edited, and whatever is named: the mutants of a module, one of them, or a sample of all. Without `mutants/`
it begins again.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from quintet.testing import shared_servers

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "mutants"
CHANGED = ("bundle", "stepkit")
COPIED = (*CHANGED, "tests", "pyproject.toml")
"""What mutmut itself puts into `mutants/`; the rest is only read there."""
_MUTANT = "__mutmut_"
"""What stands in the name of each mutant."""
_GENERATE = """
from mutmut.__main__ import *
set_mutant_under_test("mutant_generation")
copy_src_dir()
create_mutants(1)
"""
"""How `mutmut run` begins."""
KILLED = {"killed", "timeout", "segfault"}
Results = dict[str, str]
"""How each mutant ended, by its name."""


def main() -> None:
    """Run mutmut and print how many mutants the tests have killed, and which have survived."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as stepkit.patience; else all")
    parser.add_argument("--children", default="1", help="processes at once")
    parser.add_argument("--no-servers", action="store_true", help="leave out tests that need a server")
    parser.add_argument("--sample", type=int, metavar="N", help="as many mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=1, help="another one chooses others")
    parser.add_argument("--only-report", action="store_true", help="print what is known, and run nothing")
    options = parser.parse_args()
    names = options.names
    if options.sample:
        if not options.only_report:
            command = [sys.executable, "-c", _GENERATE]
            subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
        names = sampled(of(_results(), names), options.sample, options.seed)
    if not options.only_report:
        _link_what_is_only_read()
        with shared_servers.outside_pytest():
            _run(options.children, names, "--no-servers" if options.no_servers else "")
    results = _results()
    _report(of(results, names))
    if options.sample:
        print(interval(of(results, names), len(of(results, options.names))))


def pytest_collection_finish() -> None:
    """Stop collecting garbage, as pytest's plugin: each mutant has a short-lived copy of this process.

    Most of its time would go into looking through the objects of what is imported.
    """
    gc.freeze()
    gc.disable()


def _link_what_is_only_read() -> None:
    """Have `mutants/` look as the repository does to tests that read its files."""
    FOLDER.mkdir(exist_ok=True)
    for path in REPOSITORY.iterdir():
        link = FOLDER / path.name
        if path.name not in (*COPIED, FOLDER.name) and not path.name.startswith("."):
            link.unlink(missing_ok=True)
            link.symlink_to(path)


def _run(children: str, names: list[str], of_pytest: str) -> None:
    # What runs in a process of its own has to meet the changed code too, so it is found before the rest.
    roots = [str(FOLDER), *os.environ["PYTHONPATH"].split(os.pathsep)]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(root for root in roots if root != str(REPOSITORY)),
        "PYTEST_ADDOPTS": of_pytest,
        # One mutant is one process: threads of numpy would only wait for each other.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", "run"]
    command += ["--max-children", children, *(name if _MUTANT in name else f"{name}.x*" for name in names)]
    done = subprocess.run(command, cwd=REPOSITORY, env=variables)
    if done.returncode:
        sys.exit("mutmut did not come to its end, see above: the tests have to pass before code is changed.")


def _results() -> Results:
    from mutmut.stats import status_by_exit_code

    found: Results = {}
    for folder in CHANGED:
        for path in sorted((FOLDER / folder).rglob("*.py.meta")):
            if (REPOSITORY / path.relative_to(FOLDER).with_suffix("")).exists():
                codes = json.loads(path.read_text())["exit_code_by_key"]
                found |= {name: status_by_exit_code[code] for name, code in codes.items()}
    return found


def of(results: Results, names: Collection[str]) -> Results:
    """Return the results of what is named, or all where nothing is.

    Args:
        results: of all mutants.
        names: of mutants or of modules.
    """
    wanted = set(names)
    return {
        name: status for name, status in results.items() if not wanted or {name, module_of(name)} & wanted
    }


def sampled(names: Collection[str], size: int, seed: int) -> list[str]:
    """Return mutants chosen at random, the same ones for the same seed.

    Args:
        names: of all mutants.
        size: how many to choose; more than there are is all of them.
        seed: of the random numbers.
    """
    # Not for a secret, but to be repeated.
    return random.Random(seed).sample(sorted(names), min(size, len(names)))  # noqa: S311


def _report(chosen: Results) -> None:
    for name, status in chosen.items():
        if status not in KILLED:
            print(f"{status:12} {name}")
    print()
    for module in sorted({module_of(name) for name in chosen}):
        print(line(module, {name: status for name, status in chosen.items() if module_of(name) == module}))
    print(line("together", chosen))
    print(
        "See a survivor by python3 cli/run_in.py dev+mutation -m mutmut show NAME, write a test that fails"
        " with it, and run make mutants ARGS=MODULE again."
    )


def module_of(name: str) -> str:
    """Return the module of a mutant: its name without the function's."""
    return name.rpartition(".")[0]


def line(title: str, results: Results) -> str:
    """Return a line of the table: what is killed of what was tried, and how the rest ended.

    Args:
        title: the module's name.
        results: of its mutants.
    """
    counts = Counter(results.values())
    tried = counts.total() - counts["not checked"]
    killed = sum(counts[status] for status in KILLED)
    share = f"{killed / tried:.1%}" if tried else "none"
    rest = ", ".join(f"{counts[status]} {status}" for status in sorted(counts) if status not in KILLED)
    return f"{title:34} {killed:5} of {tried:5} killed  {share:>6}  {rest}"


def interval(results: Results, of_all: int) -> str:
    """Return what a sample says of all mutants: the share killed, with Wilson's interval of 95 %.

    Args:
        results: of the mutants in the sample.
        of_all: how many mutants they were chosen from.
    """
    from scipy.stats import binomtest

    tried = [status for status in results.values() if status != "not checked"]
    if not tried:
        return f"none of a sample of {len(results)} was tried"
    killed = sum(status in KILLED for status in tried)
    ends = binomtest(killed, len(tried)).proportion_ci(0.95, method="wilson")
    share = f"{killed / len(tried):.1%} killed, of all {ends.low:.1%} to {ends.high:.1%} (95 %)"
    return f"a sample of {len(tried)} of {of_all}: {share}"


if __name__ == "__main__":
    main()
