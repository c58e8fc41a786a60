"""Writes ``docs/decisions/README.md``, the list of decisions; part of ``make docs``."""

import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path("docs/decisions")
HEAD: Final = """\
# Decisions

One page for each choice that was hard to make, or is hard to undo: what was chosen, why, what it
costs, and what was not taken. A page that was changed by a later one says so and names it. Figures
are those of the day on which a page was written.

<!-- written by make docs, from the titles of the pages -->

| number | decision |
|---|---|
"""
_TITLE: Final = re.compile(r"# (?:\d{4}: )?(.+)")


def page(folder: Path = FOLDER) -> str:
    """Its text. Raises ValueError where a page has no title."""
    rows = []
    for path in sorted(folder.glob("[0-9]*.md")):
        title = _TITLE.match(path.read_text(encoding="utf-8"))
        if title is None:
            raise ValueError(f"{path}: expected a title in the first line")
        rows.append(f"| [{path.name[:4]}]({path.name}) | {title[1][:1].upper()}{title[1][1:]} |\n")
    return HEAD + "".join(rows)


def main() -> None:
    """Write it below the working directory."""
    (FOLDER / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
