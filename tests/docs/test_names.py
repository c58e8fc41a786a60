"""Files, modules and names of the code that the pages name are there."""

import re
from collections.abc import Set
from pathlib import Path
from token import NAME as NAME_TOKEN
from tokenize import tokenize

import pytest

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"\b(?:proxy|tests|tools|benchmarks)/[\w/]+\.py\b")
ROOMS = "|".join(p.name for p in (TOP / "proxy").iterdir() if p.is_dir())
MODULE = re.compile(rf"(?:proxy/)?((?:{ROOMS})(?:/[a-z_]\w*)+)(\.py)?(?:[:.](\w+(?:\.\w+)*))?")
"""`core/errors`, `proxy/core/errors.py`, `core/errors.Stage`."""
NAME = re.compile(r"(?:\w+\.)*[A-Z]\w*[a-z]\w*(?:\.\w+)*(?:\(\))?|(?:\w+\.)*_?[a-z]\w*\(\)")
"""`ConnectionPool`, `Connection.start`, `forget_frames()`."""
COMPOUND = re.compile(r"_?[A-Z][a-z]+(?:[A-Z][a-z]+)+")
WORD = re.compile(r"\w+")
OF_OTHERS = {
    "APIError": "the library of OpenAI",
    "APIStatusError": "the library of Anthropic",
    "Content_Length": "a header field",
    "HttpResponseParser": "aiohttp",
    "StreamWriter": "aiohttp",
    "Transfer_Encoding": "a header field",
    "True_Client_IP": "a header field",
    "X_Forwarded_For": "a header field",
    "X_Real_IP": "a header field",
    "__delitem__": "Python",
}


def names(path: Path) -> set[str]:
    """The names in a file: no words of comments and texts."""
    with path.open("rb") as file:
        return {token.string for token in tokenize(file.readline) if token.type == NAME_TOKEN}


FILES = [path for folder in ("proxy", "benchmarks") for path in (TOP / folder).rglob("*.py")]
CODE = {name for path in FILES for name in names(path)}
TEXT = {word for path in FILES for word in WORD.findall(path.read_text(encoding="utf-8"))}
"""Single words such as `Accept` or `Via` are header fields: the code has them in texts."""
SUPPORT = {name for path in (TOP / "tests/support").rglob("*.py") for name in names(path)}
"""What tests are written with: the page for whoever changes the proxy tells of it."""


def missing(text: str, more: Set[str] = frozenset()) -> list[str]:
    """What ``text`` names and the code does not have, nor ``more``."""
    found = [name for name in FILE.findall(text) if not (TOP / name).exists()]
    for span in SPAN.findall(text):
        module = MODULE.fullmatch(span)
        if module is not None:
            path = TOP / "proxy" / module[1]
            if not path.with_suffix(".py").exists() and (module[2] or not path.is_dir()):
                found.append(span)
            words = WORD.findall(module[3] or "")
        else:
            words = WORD.findall(span) if NAME.fullmatch(span) else []
        known = CODE if module or len(words) > 1 or COMPOUND.fullmatch(span) else TEXT
        found += [
            f"{word} in {span}" for word in words if word not in known | OF_OTHERS.keys() | more
        ]
    return found


def told(page: Path, gone: list[str]) -> str:
    """What to do about these."""
    names = "\n".join(f"  {name}" for name in gone)
    return (
        f"{page.relative_to(TOP)} names what the code does not have:\n{names}\n"
        "Write the name that the code has now. One of Python, aiohttp or another program goes into "
        "OF_OTHERS in tests/docs/test_names.py, with whose it is."
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    more = SUPPORT if page.name == "CONTRIBUTING.md" else frozenset[str]()
    gone = missing(page.read_text(encoding="utf-8"), more)
    assert not gone, told(page, gone)


def test_a_name_that_is_gone_is_found() -> None:
    text = (
        "`core/gone`, `middleware/retry.py`, `middleware/retry`, `proxy/net/sockets.py`, "
        "`core/errors.Gone`, `Stage`, `Gone.start`, `pop()`"
    )
    assert missing(text) == [
        "core/gone",
        "middleware/retry.py",
        "Gone in core/errors.Gone",
        "Gone in Gone.start",
    ]


def test_all_that_is_gone_is_told_with_what_to_do() -> None:
    lines = told(TOP / "README.md", [f"gone_{number}()" for number in range(30)]).splitlines()
    assert lines[0].startswith("README.md names")
    assert lines[1:31] == [f"  gone_{number}()" for number in range(30)]
    assert "OF_OTHERS" in lines[31]
