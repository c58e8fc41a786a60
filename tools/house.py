"""No file is too long, nothing stands twice, there is one clock, tests are where names say."""

import ast
import sys
from pathlib import Path

from tools.copies import found
from tools.mirror import mirrored

LONGEST = 300
_ASKS = {"time", "monotonic", "monotonic_ns", "perf_counter", "time_ns"}


def clocks() -> list[str]:
    """Name every place that asks a clock which nobody handed to it.

    Policies are given ``now``, middlewares a ``Clock`` (``proxy/core/clock.py``).
    """
    return [
        f"{path}:{node.lineno}: asks a clock that was not handed in"
        for folder in ("proxy/policy", "proxy/middleware")
        for path in sorted(Path(folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Import) and any(name.name == "time" for name in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "time")
        or (isinstance(node, ast.Attribute) and node.attr in _ASKS)
    ]


def main() -> int:
    """Name what is too long, copies of what ``proxy/http`` has, further clocks, missing tests."""
    long = [
        f"{path}: {lines} lines, {LONGEST} at most"
        for folder in ("proxy", "tests")
        for path in sorted(Path(folder).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    problems = [*long, *found(), *clocks(), *mirrored()]
    kept = f"house: no file over {LONGEST} lines, no copy of grammar, one clock, tests in place"
    print("\n".join(problems) or kept)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
