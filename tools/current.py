"""Which generated files are out of date.

``python -m tools.current FILE ... -- COMMAND``: runs the command that writes them anew, and names
those that are something else then.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path


def changed(files: Iterable[str], make: Callable[[], object]) -> list[str]:
    """The files that are something else after ``make``."""
    before = {file: _content(file) for file in files}
    make()
    return [file for file, content in before.items() if _content(file) != content]


def _content(file: str) -> bytes | None:
    path = Path(file)
    return path.read_bytes() if path.exists() else None


def main() -> int:
    """Exit code 1 where one was out of date."""
    at = sys.argv.index("--")
    files, command = sys.argv[1:at], sys.argv[at + 1 :]
    differing = changed(files, lambda: subprocess.run(command, check=True))
    for file in differing:
        print(f"{file}: out of date, now written anew", file=sys.stderr)
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())
