"""Write the tables of the chains into ``docs/life-of-a-request.md``, between its two marks."""

from pathlib import Path

from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM, Link

PAGE = Path("docs/life-of-a-request.md")
START = "<!-- chains: written by make docs -->\n"
END = "<!-- end of chains -->\n"
LEVELS = (
    ("once for each route", ROUTE),
    ("once for each upstream that the route asks", UPSTREAM),
    ("once for each server of the upstream", ENDPOINT),
)


def tables() -> str:
    """The chains, what meets a request first at the top."""
    lines = ["| link | why it stands there |", "|---|---|"]
    for level, chain in LEVELS:
        lines.append(f"| *{level}* | |")
        lines += [_row(link) for link in chain]
    return "\n".join(lines) + "\n"


def _row(link: Link) -> str:
    return f"| `{link.name}` | {link.reason} |"


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def renewed(page: str) -> str:
    """The page with the tables between its marks. Raises ValueError where a mark is missing."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{PAGE}: expected the lines {START.strip()!r} and {END.strip()!r}")
    return before + START + "\n" + tables() + "\n" + END + after


if __name__ == "__main__":
    main()
