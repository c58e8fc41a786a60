"""No file is too long, nothing stands twice, there is one clock, tests are where names say."""

import ast
import re
import sys
from pathlib import Path

from tools.copies import found
from tools.mirror import mirrored

LONGEST = 300
LONGEST_OF_ONE_IDEA = 400
_ONE_IDEA = re.compile(r"^One idea: \S", re.MULTILINE)
_ASKS = {"time", "monotonic", "monotonic_ns", "perf_counter", "time_ns"}
_HANDED_IN = {
    "proxy/policy": "take `now`",
    "proxy/middleware": "take a `Clock` (core/clock)",
}


def too_long() -> list[str]:
    """Name every file with more lines than it may have.

    A longer one asks for a second idea with a name of its own. Where there is none, a line
    ``One idea: WHY`` in the docstring of the module says so.
    """
    problems = []
    for folder in ("proxy", "tests"):
        for path in sorted(Path(folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            lines = len(text.splitlines())
            if lines > LONGEST and lines > (most := _most(text)):
                problems.append(f"{path}: {lines} lines, {most} at most")
    return problems


def _most(text: str) -> int:
    about = ast.get_docstring(ast.parse(text)) or ""
    return LONGEST_OF_ONE_IDEA if _ONE_IDEA.search(about) else LONGEST


def clocks() -> list[str]:
    """Name every place that asks a clock which nobody handed to it.

    Policies are given ``now``, middlewares a ``Clock`` (``proxy/core/clock.py``).
    """
    return [
        f"{path}:{line}: asks a clock that was not handed in; {instead}"
        for folder, instead in _HANDED_IN.items()
        for path in sorted(Path(folder).rglob("*.py"))
        for line in sorted(_asked(ast.parse(path.read_text(encoding="utf-8"))))
    ]


def _asked(tree: ast.AST) -> set[int]:
    """The lines that import a clock, call one, or take that of a loop."""
    lines = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if any(each.name == "time" for each in names):
                lines.add(node.lineno)
            case ast.ImportFrom(module="time"):
                lines.add(node.lineno)
            case ast.Call(func=ast.Attribute(attr=name)) if name in _ASKS:
                lines.add(node.lineno)
            case ast.Attribute(attr="time", value=owner) if "loop" in ast.unparse(owner):
                lines.add(node.lineno)
    return lines


def main() -> int:
    """Name what is too long, copies of what ``proxy/http`` has, further clocks, missing tests."""
    problems = [*too_long(), *found(), *clocks(), *mirrored()]
    kept = "house: no file is too long, no copy of grammar, one clock, tests in place"
    print("\n".join(problems) or kept)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
