"""``python -m benchmarks.load``: measure, print the tables, write results and a chart."""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.growth import __main__ as growth
from benchmarks.load import machine
from benchmarks.load.bench import Bench
from benchmarks.load.chart import draw
from benchmarks.load.glance import aims, glance
from benchmarks.load.peer import DIRECT, OURS, OURS_LOGGED, PEERS
from benchmarks.load.report import markdown
from benchmarks.load.scenario import QUICK, SCENARIOS, Effort

RESULTS: Final = Path(__file__).parents[1] / "results"
QUICK_PEERS: Final = (OURS, OURS_LOGGED, "nginx", "caddy", "aiohttp", DIRECT)
GROWTH: Final = "growth"
"""What grows with a configuration or a crowd: tables of its own, not part of a whole run."""
_INTERRUPTED: Final = 130


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--rounds", type=int, help=f"of each measurement, {Effort.rounds}")
    parser.add_argument("--seconds", type=float, help=f"of each measurement, {Effort.seconds:g}")
    measurable = [*SCENARIOS, GROWTH]
    names = ", ".join(measurable)
    parser.add_argument("--only", type=_names(measurable), default=(), help=f"some of {names}")
    known = {**PEERS, DIRECT: None}
    names = ", ".join(known)
    parser.add_argument("--peers", type=_names(known), default=(), help=f"some of {names}")
    parser.add_argument(
        "--quick", action="store_true", help="one short round of a few peers, to see that it works"
    )
    return parser.parse_args(words)


def _names(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        asked = tuple(text.split(","))
        if unknown := set(asked) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return asked

    return names


def effort(asked: argparse.Namespace) -> Effort:
    """How much of it."""
    chosen = QUICK if asked.quick else Effort()
    if asked.rounds is not None:
        chosen = replace(chosen, rounds=asked.rounds)
    if asked.seconds is not None:
        chosen = replace(chosen, seconds=asked.seconds)
    return chosen


def main() -> int:
    """Exit code 0, or 130 after Ctrl-C; what was started has ended by then."""
    asked = arguments()
    # The default handler is what raises KeyboardInterrupt; a shell may have put others in place.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    machine.raise_limits()
    if GROWTH in asked.only:
        chosen = effort(asked)
        failed = growth.report(chosen.rounds, math.ceil(chosen.seconds))
        if failed or asked.only == (GROWTH,):
            return failed
    begun, busy = time.monotonic(), machine.busy()
    everybody = QUICK_PEERS if asked.quick else (*PEERS, DIRECT)
    chosen = effort(asked)
    bench = Bench(chosen, asked.peers or everybody)
    try:
        results = bench.run([SCENARIOS[name] for name in asked.only or SCENARIOS if name != GROWTH])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    taken = time.monotonic() - begun
    about = (
        f"{machine.described()}; load before: {busy:.2f}; "
        f"medians of {chosen.rounds} rounds of {chosen.seconds:g} s; took {taken / 60:.1f} min"
    )
    tables = filter(None, (about, aims(results), glance(results), markdown(results)))
    print("\n\n".join(tables))
    for note in bench.notes:
        print(f"\n{note}")
    # Only a whole run may take the place of one that is committed.
    whole = not (asked.quick or asked.only or asked.peers)
    path = RESULTS / ("full" if whole else "partial")
    RESULTS.mkdir(exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    record = {"when": when, "about": about, "notes": bench.notes, "results": results}
    path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    if not draw(results, path):
        print("no chart: matplotlib is missing", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
