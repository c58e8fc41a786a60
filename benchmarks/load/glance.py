"""All that was measured in two tables: who costs what, and what was aimed at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.load.bench import Results
from benchmarks.load.peer import DIRECT, OURS, OURS_ARMED, OURS_LOGGED, PEERS
from benchmarks.load.report import cell, median, ratio, title
from benchmarks.load.scenario import SCENARIOS


@dataclass(frozen=True)
class Aim:
    """How many times less a request should cost than with others."""

    title: str
    scenario: str
    ours: str
    others: Mapping[str, float]
    """By their names among the peers, for `_COLUMNS`."""


_COLUMNS: Final = ("Caddy", "plain aiohttp", "nginx")
AIMS: Final = (
    Aim(
        "small GET, the same again, access logs on",
        "small",
        OURS_LOGGED,
        {"caddy-log": 2.5, "aiohttp": 6, "nginx-log": 0.33},
    ),
    Aim(
        "GET as in production, access logs on",
        "production",
        OURS_LOGGED,
        {"caddy-log": 2.0, "aiohttp": 4, "nginx-log": 0.25},
    ),
    Aim(
        "POST of 4 KiB as in production, access logs on",
        "production-post",
        OURS_LOGGED,
        {"caddy-log": 1.5, "aiohttp": 3.5, "nginx-log": 0.2},
    ),
    Aim(
        "GET as in production, all features armed, three servers",
        "production",
        OURS_ARMED,
        {"caddy-log": 1.1, "aiohttp": 3},
    ),
    Aim("64 KiB down", "down-64k", OURS, {"caddy": 1.3, "aiohttp": 2.5, "nginx": 1.0}),
    Aim("10 MiB down", "down-10m", OURS, {"caddy": 0.95, "aiohttp": 0.95, "nginx": 0.95}),
    Aim("10 MiB up", "up-10m", OURS, {"caddy": 0.95, "aiohttp": 0.95, "nginx": 0.95}),
)


def aims(results: Results) -> str:
    """How many times less processor time than others, beside what was aimed at; "" without any."""
    lines = []
    for aim in AIMS:
        runs = results.get(aim.scenario, {})
        column = SCENARIOS[aim.scenario].columns[0]
        cells = []
        for other, wanted in aim.others.items():
            found = ratio(runs, aim.ours, other, column)
            cells.append(f"{found} ({wanted:g})" if found else "")
        if any(cells):
            cells += [""] * (len(_COLUMNS) - len(cells))
            lines.append(f"| {aim.title} | {' | '.join(cells)} |")
    if not lines:
        return ""
    head = f"| | {' | '.join(f'to {name}' for name in _COLUMNS)} |"
    return "\n".join(
        [
            "### How many times less processor time; in brackets what is aimed at",
            "",
            head,
            "|---|" + "---:|" * len(_COLUMNS),
            *lines,
        ]
    )


def glance(results: Results) -> str:
    """The first figure of each table, a peer a line."""
    measured = {name: runs for name, runs in results.items() if runs}
    heads = [f"{name}: {SCENARIOS[name].columns[0].title}" for name in measured]
    lines = ["### At a glance", "", f"| | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for peer in (*PEERS, DIRECT):
        cells = []
        for name, runs in measured.items():
            first = SCENARIOS[name].columns[0]
            known = median(runs, peer, first.key) is not None
            cells.append(cell(runs, peer, first) if known else "")
        if any(cells):
            lines.append(f"| {title(peer)} | {' | '.join(cells)} |")
    return "\n".join(lines)
