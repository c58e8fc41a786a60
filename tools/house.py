"""No file is too long, the grammar of HTTP stands in one place, and there is one clock."""

import ast
import sys
from pathlib import Path

from tools.copies import found

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
    """Name every file that is too long, copies of what ``proxy/http`` has, and further clocks."""
    long = [
        f"{path}: {lines} lines, {LONGEST} at most"
        for folder in ("proxy", "tests")
        for path in sorted(Path(folder).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    problems = [*long, *found(), *clocks()]
    kept = f"house: no file over {LONGEST} lines, no copy of grammar, no clock but the one"
    print("\n".join(problems) or kept)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
