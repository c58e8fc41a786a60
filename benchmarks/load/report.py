"""Tables of medians and ratios."""

import math
import statistics
from typing import Final

from benchmarks.load.bench import Results, Runs
from benchmarks.load.peer import DIRECT, PEERS
from benchmarks.load.scenario import SCENARIOS, Column, Scenario

AGAINST: Final = ("aiohttp", "caddy", "caddy-log", "nginx", "nginx-log")
"""Peers whose ratio is printed."""

_READING: Final = (
    "Medians. Who does not get the whole of its core is held up, by an upstream and a load "
    "generator at their end (see the direct line) or by others on this machine: then the "
    'processor time tells more than the rate. "to X": how many times better than X.'
)


def title(name: str) -> str:
    """How a peer is called in tables."""
    return "direct, no proxy" if name == DIRECT else PEERS[name].title


def median(runs: Runs, name: str, key: str) -> float | None:
    """Over the rounds; None where a peer has no such figure."""
    values = [figures[key] for figures in runs.get(name, ()) if key in figures]
    values = [value for value in values if math.isfinite(value)]
    return statistics.median(values) if values else None


def markdown(results: Results) -> str:
    """Everything that was measured."""
    tables = [table(SCENARIOS[name], runs) for name, runs in results.items() if runs]
    return "\n\n".join([_READING, *tables])


def table(scenario: Scenario, runs: Runs) -> str:
    """One scenario: a peer a line, the spread of what is compared, ratios behind."""
    first = scenario.columns[0]
    titles = [first.title, "lowest to highest", *(column.title for column in scenario.columns[1:])]
    others = [name for name in AGAINST if median(runs, name, first.key)]
    titles += [f"to {title(name)}" for name in others]
    lines = [f"### {scenario.title}", "", f"| | {' | '.join(titles)} |"]
    lines.append("|---|" + "---:|" * len(titles))
    for name in runs:
        cells = [cell(runs, name, first), spread(runs, name, first)]
        cells += [cell(runs, name, column) for column in scenario.columns[1:]]
        cells += [ratio(runs, name, other, first) for other in others]
        lines.append(f"| {title(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(runs: Runs, name: str, column: Column) -> str:
    """A median."""
    value = median(runs, name, column.key)
    return "" if value is None else f"{value:,.{column.digits}f}"


def spread(runs: Runs, name: str, column: Column) -> str:
    """The lowest and the highest round."""
    values = [figures[column.key] for figures in runs[name] if column.key in figures]
    if len(values) < 2:
        return ""
    return f"{min(values):,.{column.digits}f} to {max(values):,.{column.digits}f}"


def ratio(runs: Runs, name: str, other: str, column: Column) -> str:
    """How many times better than the other's median."""
    ours, theirs = median(runs, name, column.key), median(runs, other, column.key)
    if not ours or not theirs:
        return ""
    return f"{theirs / ours if column.less else ours / theirs:.2f}"
