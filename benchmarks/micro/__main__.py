"""``python -m benchmarks.micro``: print the counts, fail where they have grown."""

import argparse
import sys

from benchmarks.micro import verdict
from benchmarks.micro.counts import KINDS, Counts, measure
from benchmarks.micro.parts import times


def main() -> int:
    """Exit code 0, or 1 where a count has grown by more than 5 %."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.micro", description=__doc__)
    arguments.add_argument("--update", action="store_true", help="make these the expected counts")
    update = arguments.parse_args().update
    counts = measure()
    expected = verdict.load()
    print(table(counts, {} if expected is None else expected["counts"]))
    print("\n| part | µs |\n|---|---|")
    for name, taken in times():
        print(f"| {name} | {'gone' if taken is None else f'{taken:.2f}'} |")
    print()
    if update:
        verdict.save(counts)
        print(f"written: {verdict.EXPECTED.name}")
        return 0
    if expected is None:
        print(f"nothing is compared: there is no {verdict.EXPECTED.name}")
        return 0
    if reason := verdict.incomparable(expected, verdict.versions()):
        print(f"nothing is compared: {reason}")
        return 0
    problems = verdict.grown(expected["counts"], counts)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("what is meant: python -m benchmarks.micro --update", file=sys.stderr)
    elif cheaper := verdict.shrunk(expected["counts"], counts):
        print("cheaper than expected by more than 5 %:")
        print("\n".join(f"  {row}" for row in cheaper))
        print("if a change made it so, keep it so: python -m benchmarks.micro --update")
    else:
        print("as expected")
    return 1 if problems else 0


def table(counts: Counts, expected: Counts) -> str:
    """Markdown, with the expected count behind each that differs."""
    lines = [f"| for one more | {' | '.join(KINDS)} |", "|---" * (len(KINDS) + 1) + "|"]
    for case, kinds in counts.items():
        cells = []
        for kind, value in kinds.items():
            known = expected.get(case, {}).get(kind, value)
            cells.append(f"{value:g}" if known == value else f"{value:g} ({known:g})")
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
