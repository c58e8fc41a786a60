"""Counts against the committed ones."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.micro.counts import Counts

EXPECTED: Final = Path(__file__).with_name("expected.json")
TOLERANCE: Final = 0.05
_SLACK: Final = 0.05
"""For what is expected to be nothing at all."""


def versions() -> dict[str, str]:
    """What counts depend on besides our own code."""
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "aiohttp": aiohttp.__version__,
    }


def load() -> dict[str, Any] | None:
    """What was committed, None where nothing was."""
    if not EXPECTED.exists():
        return None
    loaded: dict[str, Any] = json.loads(EXPECTED.read_text())
    return loaded


def save(counts: Counts) -> None:
    """Make these the expected ones."""
    EXPECTED.write_text(json.dumps({**versions(), "counts": counts}, indent=2) + "\n")


def incomparable(expected: dict[str, Any], here: dict[str, str]) -> str:
    """Why these counts cannot be held against the expected ones; empty where they can."""
    other = [f"{name} {expected[name]}" for name in here if expected[name] != here[name]]
    if not other:
        return ""
    ours = ", ".join(f"{name} {version}" for name, version in here.items())
    return f"the expected counts are of {', '.join(other)}; here are {ours}"


def grown(expected: Counts, counts: Counts) -> list[str]:
    """Sentences about what has grown by more than the tolerance, or is not expected at all."""
    found = []
    for case, kinds in counts.items():
        for kind, value in kinds.items():
            limit = expected.get(case, {}).get(kind)
            if limit is None:
                found.append(f"{case}: {kind}: {value:g}, nothing is expected")
            elif value > max(limit * (1 + TOLERANCE), limit + _SLACK if not limit else 0.0):
                found.append(f"{case}: {kind}: {value:g}, {limit:g} expected")
    for case, kinds in expected.items():
        found += [
            f"{case}: {kind}: expected but not measured"
            for kind in kinds
            if kind not in counts.get(case, {})
        ]
    return found


def shrunk(expected: Counts, counts: Counts) -> list[str]:
    """Sentences about what is cheaper by more than the tolerance."""
    return [
        f"{case}: {kind}: {value:g}, {limit:g} expected"
        for case, kinds in counts.items()
        for kind, value in kinds.items()
        if value < (limit := expected.get(case, {}).get(kind, 0.0)) * (1 - TOLERANCE)
    ]
