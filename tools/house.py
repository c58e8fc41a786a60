"""No file is longer than a reader's patience, and HTTP's grammar stands in one place."""

import sys
from pathlib import Path

from tools.copies import found

LONGEST = 300


def main() -> int:
    """Name every file that is too long, and every copy of what ``proxy/http`` has."""
    long = [
        f"{path}: {lines} lines, {LONGEST} at most"
        for folder in ("proxy", "tests")
        for path in sorted(Path(folder).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    problems = [*long, *found()]
    print("\n".join(problems) or f"house: no file over {LONGEST} lines, no copy of grammar")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
