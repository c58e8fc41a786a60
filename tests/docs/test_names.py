"""Files, modules and names of the code that the pages name are there."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"\b(?:proxy|tests|tools|benchmarks)/[\w/]+\.py\b")
ROOMS = "|".join(p.name for p in (TOP / "proxy").iterdir() if p.is_dir())
MODULE = re.compile(rf"(?:proxy/)?((?:{ROOMS})(?:/\w+)+)(?:\.py)?(?:[:.](\w+(?:\.\w+)*))?")
"""`core/errors`, `proxy/core/errors.py`, `core/errors.Stage`."""
NAME = re.compile(r"(?:\w+\.)*[A-Z]\w*[a-z]\w*(?:\.\w+)*(?:\(\))?|(?:\w+\.)*_?[a-z]\w*\(\)")
"""`ConnectionPool`, `Connection.start`, `forget_frames()`."""
WORD = re.compile(r"\w+")
OF_OTHERS = {
    "APIError": "the library of OpenAI",
    "APIStatusError": "the library of Anthropic",
    "Content_Length": "a header field",
    "HttpResponseParser": "aiohttp",
    "StreamWriter": "aiohttp",
    "Transfer_Encoding": "a header field",
    "__delitem__": "Python",
}
CODE = {
    word
    for path in (TOP / "proxy").rglob("*.py")
    for word in WORD.findall(path.read_text(encoding="utf-8"))
}


def missing(text: str) -> list[str]:
    """What ``text`` names and the code does not have."""
    found = [name for name in FILE.findall(text) if not (TOP / name).exists()]
    for span in SPAN.findall(text):
        module = MODULE.fullmatch(span)
        if module is not None:
            path = TOP / "proxy" / module[1]
            if not path.is_dir() and not path.with_suffix(".py").exists():
                found.append(span)
            words = WORD.findall(module[2] or "")
        else:
            words = WORD.findall(span) if NAME.fullmatch(span) else []
        found += [f"{word} in {span}" for word in words if word not in CODE | OF_OTHERS.keys()]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert missing(page.read_text(encoding="utf-8")) == []


def test_a_name_that_is_gone_is_found() -> None:
    text = "`core/gone`, `proxy/net/sockets.py`, `core/errors.Gone`, `Stage`, `Gone.start`, `pop()`"
    assert missing(text) == ["core/gone", "Gone in core/errors.Gone", "Gone in Gone.start"]
