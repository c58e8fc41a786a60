"""No file is longer than a reader's patience."""

import sys
from pathlib import Path

LONGEST = 300


def main() -> int:
    """Name every file that is too long."""
    long = [
        f"{path}: {lines} lines, {LONGEST} at most"
        for folder in ("proxy", "tests")
        for path in sorted(Path(folder).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    print("\n".join(long) or f"house: no file over {LONGEST} lines")
    return bool(long)


if __name__ == "__main__":
    sys.exit(main())
