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
    """Replace what stands between the marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + START + "\n" + tables() + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
