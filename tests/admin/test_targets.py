"""Paths and URLs in a query, escaped or pasted."""

from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from proxy.admin.targets import paths, url


def asked(target: str) -> Any:
    """A request as aiohttp's server makes it: with the escapes that came."""
    came = URL(target, encoded=True)
    return SimpleNamespace(rel_url=came, query=came.query)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [""]),
        ("?tag=a", [""]),
        ("?path=/a", ["/a"]),
        ("?path=%2Fa", ["/a"]),
        ("?path=/a%20b", ["/a b", "/a%20b"]),
        ("?tag=/x&path=/a+b", ["/a b", "/a%20b", "/a+b"]),
        ("?path=%2Fa%20b", ["/a b", "/a%20b"]),
        ("?path=%2Fa%2520b", ["/a%20b"]),
        ("?path=/a%2520b", ["/a%20b", "/a%2520b"]),
        ("?path=/a=b", ["/a=b"]),
    ],
)
def test_a_path_may_mean_what_it_says_or_what_it_escapes(query: str, found: list[str]) -> None:
    first, *others = paths(asked(f"/api/cache{query}"))
    assert [first, *sorted(others)] == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ""),
        ("?url=/a%20b", "/a%20b"),
        ("?url=http://h/a+b", "http://h/a+b"),
        ("?url=%2Fa%20b", "/a b"),  # it is told what is wrong with it
        ("?url=%2Fa%2520b", "/a%20b"),
        ("?url=/a%2520b", "/a%20b"),
    ],
)
def test_a_url_is_pasted_where_it_would_have_a_blank(query: str, found: str) -> None:
    assert url(asked(f"/api/explain{query}")) == found
