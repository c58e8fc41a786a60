"""``make cache``: what a hit costs, what storing costs, memory, an outage, and kills."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from benchmarks.cache.cost import Cost, alternating
from benchmarks.cache.kills import kills
from benchmarks.cache.memory import memory
from benchmarks.cache.outage import outage
from benchmarks.cache.programs import Missing, Running, api, nginx, proxy, redis, varnish

PARTS = ("cost", "memory", "outage", "kills")
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


Start: TypeAlias = Callable[[], contextlib.AbstractContextManager[Running]]


def costs(where: Path, seconds: int, rounds: int) -> bool:
    """Print them; whether they are within the bounds."""
    print("| program | request | processor µs | p50 ms | p99 ms | requests | failed |")
    print("|---|---|---|---|---|---|---|")
    with api(where) as behind, contextlib.ExitStack() as stack:
        programs: dict[str, Start] = {
            "sidecar-proxy, memory": lambda: proxy(where, behind.port),
            "sidecar-proxy, SQLite": lambda: proxy(
                where, behind.port, f'[store]\nurl = "sqlite:{where}/bench.db"'
            ),
            "sidecar-proxy, Redis": lambda: proxy(
                where,
                behind.port,
                f'[store]\nurl = "redis://127.0.0.1:{stack.enter_context(redis(where)).port}/0"',
            ),
            "nginx": lambda: nginx(where, behind.port),
            "Varnish": lambda: varnish(where, behind.port),
        }
        running = {}
        for name, start in programs.items():
            try:
                running[name] = stack.enter_context(start())
            except Missing as missing:
                print(f"| {name} | not measured: {missing} is not installed | | | | | |")
        found = alternating(running, ALL, seconds, rounds)
        alone = alternating(running, {"hit": SAME["hit"]}, seconds, rounds, connections=1)
    for name, kinds in found.items():
        for kind, each in kinds.items():
            row(name, kind, each)
        row(name, "hit, 1 connection", alone[name]["hit"])
    ours = found["sidecar-proxy, memory"]
    hit = ours["hit"].processor / ours["forwarded"].processor
    miss = ours["miss, stored"].processor / ours["miss, not stored"].processor
    print(f"\na hit costs {hit:.2f} of a forwarded request (at most 0.60)")
    print(f"a stored miss costs {miss:.2f} of one that is not stored (at most 1.10)")
    good = hit <= 0.6 and miss <= 1.1
    for name, most in (("SQLite", 0.3), ("Redis", 1.0)):
        if (other := f"sidecar-proxy, {name}") in alone:
            later = alone[other]["hit"].p50 - alone["sidecar-proxy, memory"]["hit"].p50
            crowd = found[other]["hit"].p50 - ours["hit"].p50
            print(
                f"a hit from {name} takes {later:.3f} ms longer, p50 at 1 connection (at most "
                f"{most}); {crowd:.3f} ms at 16, which keep the processor busy"
            )
            good &= later <= most
    return good


def main() -> int:
    """Returns 1 where something is out of its bounds."""
    parser = argparse.ArgumentParser(prog="make cache", description=__doc__)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gib", type=float, default=10.0, help="GiB in the file, for its memory")
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
        if "memory" in parts:
            grown = asyncio.run(memory(where, options.gib))
            print(
                f"\n{grown.entries} objects, {grown.bytes >> 20} MiB in a file of SQLite: the "
                f"proxy has {grown.resident / 2**20:.0f} MiB, which is {grown.grown / 2**20:.0f} "
                f"MiB more than with an empty file (at most 60)"
            )
            good &= grown.grown < 60 << 20 and grown.hits == grown.asked
        if "outage" in parts:
            seen = asyncio.run(outage(where, options.outage))
            print(f"\nan outage at 500 requests/s over 1,000 stale entries: {dict(seen)}")
            good &= not any(status.startswith("5") for status in seen)
        if "kills" in parts:
            found = asyncio.run(kills(where, options.kills, options.seed))
            print(
                f"\n{found.rounds} kills: {found.hits} hits afterwards, {found.wrong} wrong; "
                f"{found.cut} answers that their clients saw cut"
            )
            good &= found.wrong == 0 and found.hits > 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
