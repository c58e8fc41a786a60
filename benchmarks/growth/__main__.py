"""``python -m benchmarks.growth``: tables of what grows with a configuration or a crowd."""

import argparse
import statistics
import sys

from benchmarks.growth import counts, crowd
from benchmarks.load.machine import busy, described
from benchmarks.load.process import DidNotStart
from benchmarks.load.tool import NotMeasured


def main() -> int:
    """Print them; exit code 1 where the crowd cannot be measured."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=3, help="of each measurement of a crowd")
    given = arguments.parse_args()
    return report(given.rounds, given.seconds)


def report(rounds: int, seconds: int) -> int:
    """Measure and print."""
    print(f"{described()}; load before: {busy():.2f}\n\n{counts.markdown()}\n", flush=True)
    try:
        found = crowd.microseconds(rounds, seconds)
    except (DidNotStart, NotMeasured) as error:
        print(error, file=sys.stderr)
        return 1
    numbers = " | ".join(f"{number:,}" for number in found)
    medians = " | ".join(f"{statistics.median(values):.1f}" for values in found.values())
    spreads = " | ".join(f"{min(values):.1f} to {max(values):.1f}" for values in found.values())
    print(f"| resting connections beside 64 busy ones | {numbers} |")
    print("|---|" + "---:|" * len(found))
    print(f"| CPU µs per request | {medians} |\n| lowest to highest | {spreads} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
