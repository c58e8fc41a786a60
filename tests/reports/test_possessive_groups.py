"""CPython 3.11 before 3.11.3, Debian 12's among them, reads possessive groups wrongly.

There ``(?:;a)*+`` that fails in the middle of ``;b`` has taken the semicolon all the same
(https://github.com/python/cpython/issues/101955), so ``5;`` passed for the size of a chunk. Atomic
groups, and possessive repetitions of one character, do what they should everywhere.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxy
from proxy.http.chunked import Chunked
from proxy.http.grammar import Malformed

_CHARACTERS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_POSSESSIVE_GROUP = re.compile(r"(?<![(\\])\)(?:[*+?]|\{[\d,]+\})\+")


def texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            value = node.value
            yield value if isinstance(value, str) else value.decode("latin-1")


def possessive(text: str) -> bool:
    return _POSSESSIVE_GROUP.search(_CHARACTERS.sub("x", text)) is not None


def test_no_pattern_repeats_a_group_possessively() -> None:
    files = list(Path(proxy.__file__).parent.rglob("*.py"))
    found = [f"{path}: {text}" for path in files for text in texts(path) if possessive(text)]
    assert len(files) > 100
    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(?:;a)*+", True),
        ("(a|b)++x", True),
        ("(?:a){2,3}+", True),
        ("[()*+]", False),
        (r"\)*+", False),
        ("(?>(?:;a)*)", False),
        ("[a]*+", False),
    ],
)
def test_it_would_be_seen(text: str, expected: bool) -> None:
    assert possessive(text) is expected


@pytest.mark.parametrize("size", [b"5;", b"5 ;", b"5;a=", b"5;a;", b'5;a="b'])
def test_half_an_extension_is_none(size: bytes) -> None:
    with pytest.raises(Malformed):
        Chunked(1024).feed(size + b"\r\nhello\r\n0\r\n\r\n")
