"""What goes upstream of a target, and what rules see of it."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.core.errors import BadRequest
from proxy.edge.target import Rewrite, RewriteOptions, literal_path, normal_path, split_target

PIECES = (
    *(b"/", b"//", b".", b"..", b"%2e", b"%2E", b"%2f", b"%2F", b"%5c", b"\\", b";", b"%", b"%zz"),
    *(b"a", b"v1", b"%76", b"%2", b"46", b"%41", b"%c3%a9", b"\xc3\xa9", b"~", b"%7e", b"=", b'"'),
)
paths = st.lists(st.sampled_from(PIECES), max_size=12).map(lambda parts: b"/" + b"".join(parts))


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/a%2Fb//c;d=1/../e?",
        b"//evil.test/x",
        b"/?a=b?c=d/../%2f&&;",
        b"/caf\xc3\xa9/\xe9",
        b'/a"b<c>[d]{e}|^`\\%zz',
        b"/http://inner.test/",
    ],
)
def test_origin_form_passes_byte_for_byte(target: bytes) -> None:
    assert split_target("GET", target) == (target, None)


@pytest.mark.parametrize(
    ("method", "raw", "target", "authority"),
    [
        ("GET", b"http://api.test/a%2Fb?q", b"/a%2Fb?q", b"api.test"),
        ("GET", b"HTTPS://Api.test:8443//x", b"//x", b"Api.test:8443"),
        ("GET", b"http://api.test", b"/", b"api.test"),
        ("GET", b"http://api.test?q", b"/?q", b"api.test"),
        ("GET", b"http://[::1]:80/?", b"/?", b"[::1]:80"),
        ("OPTIONS", b"http://api.test", b"*", b"api.test"),  # RFC 9112 3.2.4
        ("OPTIONS", b"http://api.test/", b"/", b"api.test"),
        ("OPTIONS", b"*", b"*", None),
    ],
)
def test_other_forms_become_what_an_origin_server_takes(
    method: str, raw: bytes, target: bytes, authority: bytes | None
) -> None:
    assert split_target(method, raw) == (target, authority)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"*", b"a", b"?q", b"api.test:443", b"ftp://api.test/", b"http:///a", b"http:/a"),
        *(b"/a#b", b"/a b", b"/a\tb", b"/a\x00", b"/a\x7f", b"/a\r\nX: y", b"/a\n"),
        *(b"http://u:p@api.test/", b"http://u@api.test/", b"http://a b/", b"http://api.test/#f"),
        *(b"http://api.test\\@evil.test/", b"http://api.test,evil.test/", b"http://a:99999/"),
    ],
)
def test_targets_of_no_form_are_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        split_target("GET", raw)


@given(st.binary(max_size=40))
def test_no_target_carries_a_break_into_the_request_line(raw: bytes) -> None:
    try:
        target, _ = split_target("OPTIONS", raw)
    except BadRequest:
        return
    assert target == b"*" or re.fullmatch(rb"/[^\x00-\x20\x7f#]*", target)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"*", "/"),
        (b"/v1/items?a=/../b", "/v1/items"),
        (b"/?", "/"),
        (b"/a//b/", "/a//b/"),
        (b"//", "//"),
        (b"/%7Euser/%41", "/~user/A"),
        (b"/a%2fb%3a", "/a%2Fb%3A"),
        (b"/caf\xc3\xa9", "/caf%C3%A9"),
        (b"/caf%c3%a9", "/caf%C3%A9"),
        (b'/"<\\', "/%22%3C%5C"),
        (b"/%zz/%/%2", "/%zz/%/%2"),
        (b"/a/./b", "/a/b"),
        (b"/a/../b", "/b"),
        (b"/a/%2E%2e/b", "/b"),
        (b"/a/b/..", "/a/"),
        (b"/a/.", "/a/"),
        (b"/a/..", "/"),
        (b"/.", "/"),
        (b"/.well-known/x", "/.well-known/x"),
        (b"/a/...", "/a/..."),
        (b"/%252e%252e/a", "/%252e%252e/a"),
        (b"/a;x=1/b", "/a;x=1/b"),
    ],
)
def test_a_path_has_one_normal_form(target: bytes, path: str) -> None:
    assert normal_path(target) == path


@pytest.mark.parametrize(
    "target",
    [
        *(b"/..", b"/../a", b"/a/../../b", b"/%2e%2e/a", b"/a/%2e./.."),
        *(
            b"/a%2F..%2Fb",
            b"/..%2fb",
            b"/a%2f..",
            b"/a%5C..%5Cb",
            b"/a\\..\\b",
            b"/a/..\\b",
            b"/.%2Fa",
        ),
        *(b"/a%2Fb/../c", b"/a\\b/../c", b"/a//../b"),
        *(b"/a/..;/b", b"/a/..;x=1/b", b"/a/.;/b"),
        *(b"/a%00", b"/a\x00"),
        *(b"/%2%46", b"/%%32%46"),
    ],
)
def test_what_servers_read_differently_is_refused(target: bytes) -> None:
    with pytest.raises(BadRequest):
        normal_path(target)


@given(paths)
def test_the_normal_form_of_a_normal_form_is_itself(raw: bytes) -> None:
    try:
        path = normal_path(raw)
    except BadRequest:
        return
    assert normal_path(path.encode()) == path


@given(st.binary(max_size=30).map(lambda tail: b"/" + tail))
def test_a_normal_form_is_a_path_without_dot_segments(raw: bytes) -> None:
    try:
        path = normal_path(raw)
    except BadRequest:
        return
    assert re.fullmatch(r"/[!-~]*", path)
    assert "?" not in path
    assert not {".", ".."} & set(re.split(r"/|\\|%2F|%5C", path))


@pytest.mark.parametrize("text", ["v1", "", "/a?b", "/a#b", "/..", "/a%2F.."])
def test_a_path_in_the_configuration_must_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        literal_path(text, what="prefix")


def rewrite(
    strip: str = "", add: str = "", pattern: str | None = None, replacement: str = ""
) -> Rewrite:
    options = pattern and RewriteOptions(pattern=pattern, replacement=replacement)
    return Rewrite(strip, add, options or None)


def apply(rule: Rewrite, target: bytes) -> bytes:
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
    rule: Rewrite, target: bytes, result: bytes
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
def test_spellings_that_would_dodge_a_rewriting_are_refused(rule: Rewrite, target: bytes) -> None:
    with pytest.raises(BadRequest):
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
    except BadRequest:
        return
    under = path == "/v1" or path.startswith("/v1/")
    assert normal_path(result) == (path[3:] or "/" if under else path)


@given(paths)
def test_nothing_climbs_above_the_prefix_that_was_added(raw: bytes) -> None:
    try:
        result = apply(rewrite("/v1", "/safe/x", "a+", "b"), raw)
    except BadRequest:
        return
    assert normal_path(result).startswith("/safe/x/")


@given(paths, st.binary(max_size=10))
def test_the_query_is_never_touched(raw: bytes, query: bytes) -> None:
    assume(b"?" not in raw)
    try:
        result = apply(rewrite("/v1", "/x", "a", "b"), raw + b"?" + query)
    except BadRequest:
        return
    assert result.partition(b"?")[2] == query
