"""Paths on their way to the upstream."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.http.grammar import Malformed
from proxy.http.target import normal_path
from proxy.middleware.rewrite.options import RewriteOptions
from proxy.middleware.rewrite.paths import PathRewriter
from tests.support.targets import paths


def rewrite(
    strip: str = "", add: str = "", pattern: str | None = None, replacement: str = ""
) -> PathRewriter:
    options = pattern and RewriteOptions(pattern=pattern, replacement=replacement)
    return PathRewriter(strip, add, options or None)


def apply(rule: PathRewriter, target: bytes) -> bytes:
    return rule.apply(target, normal_path(target))


@pytest.mark.parametrize(
    ("rule", "target", "result"),
    [
        (rewrite(strip="/v1"), b"/v1/a%2Fb?x=%zz?", b"/a%2Fb?x=%zz?"),
        (rewrite(strip="/v1/"), b"/v1/a", b"/a"),
        (rewrite(strip="/v1"), b"/v1", b"/"),
        (rewrite(strip="/v1"), b"/v1?", b"/?"),
        (rewrite(strip="/v1"), b"/v1/", b"/"),
        (rewrite(strip="/v1"), b"/v1//a", b"//a"),
        (rewrite(strip="/v1"), b"/v10/a", b"/v10/a"),
        (rewrite(strip="/v1"), b"/a", b"/a"),
        (rewrite(strip="/v1"), b"/%76%31/%7Ea", b"/%7Ea"),
        (rewrite(strip="/v1"), b"/v1/a/../b", b"/a/../b"),
        (rewrite(strip="/v1"), b"/v1/../a", b"/v1/../a"),
        (rewrite(strip="/café"), b"/caf\xc3\xa9/x", b"/x"),
        (rewrite(strip="/a/b"), b"/a/b/c", b"/c"),
        (rewrite(strip="/"), b"/a", b"/a"),
        (rewrite(add="/x"), b"/a//b", b"/x/a//b"),
        (rewrite(add="/x/"), b"/", b"/x/"),
        (rewrite(strip="/v1", add="/x/y"), b"/v1?q", b"/x/y/?q"),
        (rewrite(add="/x"), b"*", b"*"),
        (rewrite(pattern=r"^/items/(\d+)$", replacement=r"/i/\1"), b"/items/7?q=1", b"/i/7?q=1"),
        (rewrite(pattern=r"^/items/(\d+)$", replacement=r"/i/\1"), b"/items/7/a", b"/items/7/a"),
        (rewrite(pattern=r"/(?P<n>a)", replacement=r"/\g<n>\g<n>"), b"/a/a", b"/aa/a"),
        (rewrite(pattern=r"/(a)?(b)", replacement=r"/\1\2c"), b"/b", b"/bc"),
        (rewrite(pattern="^/v1/", replacement=""), b"/v1/a%2fb", b"/a%2fb"),
        (rewrite(pattern="^/v1", replacement=""), b"/v1", b"/"),
        (rewrite("/v1", "/x", "^/a", "/b"), b"/v1/a/c?a", b"/x/b/c?a"),
        (rewrite(pattern="%C3%A9", replacement="e"), b"/caf%C3%A9?%C3%A9", b"/cafe?%C3%A9"),
    ],
)
def test_rewriting_changes_what_it_names_and_no_other_byte(
    rule: PathRewriter, target: bytes, result: bytes
) -> None:
    assert apply(rule, target) == result


@pytest.mark.parametrize(
    ("rule", "target"),
    [
        (rewrite(strip="/v1"), b"/x/../v1/a"),
        (rewrite(strip="/v1"), b"/./v1/a"),
        (rewrite(pattern=r"^/items/(\d+)", replacement=r"/i/\1"), b"/%69tems/7"),
        (rewrite(pattern="^/admin", replacement="/public"), b"/x/../admin"),
        (rewrite(pattern="%C3%A9", replacement="e"), b"/caf\xc3\xa9"),
        (rewrite(pattern="a/x", replacement="."), b"/a/x./b"),
    ],
)
def test_spellings_that_would_dodge_a_rewriting_are_refused(
    rule: PathRewriter, target: bytes
) -> None:
    with pytest.raises(Malformed):
        apply(rule, target)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        *(("(", "/"), ("a", r"\1"), ("a", r"\g<x>"), ("(?u)a", "/"), ("a", "/b?c"), ("a", "/#")),
        *(("a", "/ b"), ("a", "/\n"), ("a", r"/\n"), ("(a)", r"/\012"), ("a", r"/\\"), ("a", "/é")),
    ],
)
def test_a_rewriting_that_cannot_work_is_refused_at_start(pattern: str, replacement: str) -> None:
    with pytest.raises(ValueError, match=r"rewrite|replacement"):
        rewrite(pattern=pattern, replacement=replacement)


@given(paths)
def test_stripping_the_bytes_is_stripping_the_normal_form(raw: bytes) -> None:
    try:
        path = normal_path(raw)
        result = rewrite(strip="/v1").apply(raw, path)
    except Malformed:
        return
    under = path == "/v1" or path.startswith("/v1/")
    assert normal_path(result) == (path[3:] or "/" if under else path)


@given(paths)
def test_nothing_climbs_above_the_prefix_that_was_added(raw: bytes) -> None:
    try:
        result = apply(rewrite("/v1", "/safe/x", "a+", "b"), raw)
    except Malformed:
        return
    assert normal_path(result).startswith("/safe/x/")


@given(paths, st.binary(max_size=10))
def test_the_query_is_never_touched(raw: bytes, query: bytes) -> None:
    assume(b"?" not in raw)
    try:
        result = apply(rewrite("/v1", "/x", "a", "b"), raw + b"?" + query)
    except Malformed:
        return
    assert result.partition(b"?")[2] == query
