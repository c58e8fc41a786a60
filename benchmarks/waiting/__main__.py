"""``python -m benchmarks.waiting``: three tables, three seeds."""

import argparse
from collections.abc import Callable
from typing import Final

import uvloop

from benchmarks.waiting import real
from benchmarks.waiting.adaptive import compare

PARTS: Final = ("adaptive", "hedge", "coalesce")
_HEADS: Final = {
    "adaptive": "| times | seed | API sustains | limit found | good/s | % of the best fixed limit "
    "| good/s without | p99 s | p99 s without | times less |\n" + "|---|" + "---:|" * 9,
    "hedge": "| seed | | p95 ms | p99 ms | p99 to p95 | sent for each |\n"
    "|---:|---|---:|---:|---:|---:|",
    "coalesce": "| seed | body | upstream requests | last answer s | over the API's own second "
    "| MiB more |\n|---:|---|---:|---:|---:|---:|",
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one of them")
    parser.add_argument("--seeds", type=int, default=3, help="how many, 3")
    parser.add_argument("--seconds", type=float, default=0.0, help="of a run; 0: 180, or 45")
    words = parser.parse_args()

    def say(line: str) -> None:
        print(line, flush=True)

    runs: dict[str, Callable[[int], None]] = {
        "adaptive": lambda seed: compare(seed, words.seconds or 180.0, say),
        "hedge": lambda seed: uvloop.run(real.hedge(seed, words.seconds or 45.0, say)),
        "coalesce": lambda seed: uvloop.run(real.coalesce(seed, say)),
    }
    for part in words.only or PARTS:
        say(f"\n{_HEADS[part]}")
        for seed in range(1, words.seeds + 1):
            runs[part](seed)


if __name__ == "__main__":
    main()
