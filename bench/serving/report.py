"""The tables, the plot and the last line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.serving.contest import BODIES, CONNECTIONS, Contest, Running
from bench.serving.servers import ECHO, ECHO_AND_ENGINE, MLFLOW, PLAIN, QUINTET


def table(contest: Contest) -> str:
    """Returns what was measured with one model as Markdown."""
    rounds = len(contest.engine_microseconds)
    loaded = " | ".join(f"{rows}-row bodies: requests/s | p50 ms | p99 ms | Quintet is" for rows in BODIES)
    lines = [
        f"### {contest.model.name}: one worker, {CONNECTIONS} connections, {rounds} rounds",
        "",
        f"| server | {loaded} | memory MB | start s |",
        f"|---{'|---:' * 10}|",
    ]
    ours = contest.of(QUINTET)
    for running in contest.running:
        cells = [running.server.name]
        for rows in BODIES:
            loads = running.loads[rows]
            cells += [
                _with_spread(_rates(running, rows), ",.0f"),
                f"{median(each.p50_ms for each in loads):.2f}",
                f"{median(each.p99_ms for each in loads):.2f}",
                f"{_with_spread(_ratios(ours, running, rows), '.2f')} x" if ours else "",
            ]
        lines.append(
            f"| {' | '.join([*cells, f'{running.megabytes:.0f}', f'{running.start_seconds:.1f}'])} |"
        )
    lines += ["", *(f"{name}: could not be had. {reason}" for name, reason in contest.absent.items())]
    lines.append(f"The engine alone takes {_with_spread(contest.engine_microseconds, '.1f')} µs for a row.")
    for shares, whole in (
        (shares_of_the_floor(contest), "the floor, the echo's time and the engine's"),
        (shares_of_echo_and_engine(contest), "the server that echoes and runs the engine"),
    ):
        if shares:
            lines.append(f"Share of {whole}: {_with_spread(shares, '.2f')}.")
    if ours:
        lines.append(
            f"p99 of single rows: {_with_spread(contest.alone_p99_ms, '.2f')} ms alone, "
            f"{_with_spread(contest.beside_batches_p99_ms, '.2f')} ms beside 20 bodies of 100 rows a second."
        )
    return "\n".join(lines)


def shares_of_the_floor(contest: Contest) -> list[float]:
    """Returns for each round our rate as a share of the floor's.

    Its time for a request is a bare echo's, and the engine's for a row in a loop of its own.
    """
    ours, echo = contest.of(QUINTET), contest.of(ECHO)
    if ours is None or echo is None:
        return []
    floors = [
        1 / (1 / rate + engine / 1e6)
        for rate, engine in zip(_rates(echo, 1), contest.engine_microseconds, strict=True)
    ]
    return [rate / floor for rate, floor in zip(_rates(ours, 1), floors, strict=True)]


def shares_of_echo_and_engine(contest: Contest) -> list[float]:
    """Returns the same for the server that echoes and runs the engine, once a request and for one row.

    Higher, since a loop finds its trees in the processor's caches, which a request by itself does not.
    """
    ours, other = contest.of(QUINTET), contest.of(ECHO_AND_ENGINE)
    return _ratios(ours, other, 1) if ours and other else []


def last_line(contest: Contest) -> str:
    """Returns a line on how we compare on one model."""
    ours, mlflow = contest.of(QUINTET), contest.of(MLFLOW)
    if ours is None:
        return f"{QUINTET} was left out."
    words = [f"{median(_rates(ours, 1)):,.0f} 1-row requests/s on the {contest.model.name}"]
    if mlflow:
        words.append(f"{_with_spread(_ratios(ours, mlflow, 1), '.0f')} times {MLFLOW}")
    if shares := shares_of_the_floor(contest):
        words.append(f"{_with_spread(shares, '.2f')} of the floor")
    if shares := shares_of_echo_and_engine(contest):
        words.append(f"{_with_spread(shares, '.2f')} of {ECHO_AND_ENGINE}")
    return ", ".join(words)


def plot(contests: Sequence[Contest], path: Path) -> None:
    """Writes the 1-row and 100-row rates of all servers as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2 * len(contests)), layout="constrained")
    axes = figure.subplots(len(contests), len(BODIES), squeeze=False)
    for contest, row in zip(contests, axes, strict=True):
        running = sorted(contest.running, key=lambda each: median(_rates(each, 1)))
        for rows, axis in zip(BODIES, row, strict=True):
            rates = [median(_rates(each, rows)) for each in running]
            low = [rate - min(_rates(each, rows)) for each, rate in zip(running, rates, strict=True)]
            high = [max(_rates(each, rows)) - rate for each, rate in zip(running, rates, strict=True)]
            colours = [_COLOURS.get(each.server.name, "#9aa5b1") for each in running]
            names = [each.server.name for each in running]
            bars = axis.barh(names, rates, xerr=[low, high], color=colours, ecolor="#52606d")
            axis.bar_label(bars, [f" {rate:,.0f}" for rate in rates], fontsize=8)
            axis.set_xscale("log")
            axis.set_xlim(right=max(rates) * 5)
            axis.set_title(f"{contest.model.name}, {rows}-row bodies", fontsize=10)
            axis.set_xlabel("requests/s, median and range of the rounds", fontsize=8)
            axis.tick_params(labelsize=8)
            axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


_COLOURS = {QUINTET: "#2563eb", ECHO: "#d9dee4", ECHO_AND_ENGINE: "#d9dee4", PLAIN: "#cbb26a"}


def _rates(running: Running, rows: int) -> list[float]:
    return [each.rate for each in running.loads[rows]]


def _ratios(ours: Running, other: Running, rows: int) -> list[float]:
    return [mine / its for mine, its in zip(_rates(ours, rows), _rates(other, rows), strict=True)]


def _with_spread(values: Sequence[float], form: str) -> str:
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"
