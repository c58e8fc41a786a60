"""``make cache``: what a hit costs, what storing costs, an outage, and kills."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.cache.cost import Cost, alternating
from benchmarks.cache.kills import kills
from benchmarks.cache.outage import outage
from benchmarks.cache.programs import Missing, Running, api, nginx, proxy, varnish

PARTS = ("cost", "outage", "kills")
SAME = {"hit": ("/hit/a", False), "forwarded": ("/plain/a", False)}
ALL = {
    **SAME,
    "miss, stored": ("/miss/", True),
    "miss, not stored": ("/private/", True),
    "forwarded, varied": ("/plain/", True),
}


def row(name: str, kind: str, found: Cost) -> None:
    """One line of the table."""
    print(
        f"| {name} | {kind} | {found.processor:.1f} | {found.p50:.3f} | {found.p99:.3f} | "
        f"{found.requests} | {found.failed} |",
        flush=True,
    )


def costs(where: Path, seconds: float, rounds: int) -> bool:
    """Print them; whether they are within the bounds."""
    print("| program | request | processor µs | p50 ms | p99 ms | requests | failed |")
    print("|---|---|---|---|---|---|---|")
    with api(where) as behind:
        programs: list[tuple[str, Callable[[], contextlib.AbstractContextManager[Running]]]] = [
            ("sidecar-proxy, memory", lambda: proxy(where, behind.port)),
            (
                "sidecar-proxy, SQLite",
                lambda: proxy(where, behind.port, f'[store]\nurl = "sqlite:{where}/bench.db"'),
            ),
            ("nginx", lambda: nginx(where, behind.port)),
            ("Varnish", lambda: varnish(where, behind.port)),
        ]
        hits = {}
        for name, start in programs:
            try:
                with start() as running:
                    kinds = {"hit": SAME["hit"]} if name == "Varnish" else ALL
                    found = alternating(running, kinds, seconds, rounds)
            except Missing as missing:
                print(f"| {name} | not measured: {missing} is not installed | | | | | |")
                continue
            for kind, each in found.items():
                row(name, kind, each)
            hits[name] = found
        ours = hits["sidecar-proxy, memory"]
        hit = ours["hit"].processor / ours["forwarded"].processor
        miss = ours["miss, stored"].processor / ours["miss, not stored"].processor
        later = hits["sidecar-proxy, SQLite"]["hit"].p50 - ours["hit"].p50
        print(f"\na hit costs {hit:.2f} of a forwarded request (at most 0.60)")
        print(f"a stored miss costs {miss:.2f} of one that is not stored (at most 1.10)")
        print(f"a hit from SQLite takes {later:.3f} ms longer, p50 at 16 connections")
        return hit <= 0.6 and miss <= 1.1


def main() -> int:
    """Returns 1 where something is out of its bounds."""
    parser = argparse.ArgumentParser(prog="make cache", description=__doc__)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without the API")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    parts = PARTS if options.only is None else (options.only,)
    good = True
    print(f"Python {sys.version.split()[0]}\n")
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        where.chmod(0o755)
        if "cost" in parts:
            good &= costs(where, options.seconds, options.rounds)
        if "outage" in parts:
            seen = asyncio.run(outage(where, options.outage))
            print(f"\nan outage at 500 requests/s over 1,000 stale entries: {dict(seen)}")
            good &= not any(status.startswith("5") for status in seen)
        if "kills" in parts:
            found = asyncio.run(kills(where, options.kills, options.seed))
            print(f"\n{found.rounds} kills: {found.hits} hits afterwards, {found.wrong} wrong")
            good &= found.wrong == 0 and found.hits > 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
