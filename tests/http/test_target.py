"""What goes upstream of a target, and what rules see of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.words import plain
from proxy.http.grammar import Malformed
from proxy.http.target import (
    check_escapes,
    literal_path,
    normal_path,
    split_target,
    within,
)
from tests.support.targets import paths

NEITHER = "begins with neither / nor http:// nor https://"
NO_HOST = "in the target is not a host name or address, with or without a port"


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
    with pytest.raises(Malformed):
        split_target("GET", raw)


@given(st.binary(max_size=40))
def test_no_target_carries_a_break_into_the_request_line(raw: bytes) -> None:
    try:
        target, _ = split_target("OPTIONS", raw)
    except Malformed:
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
    with pytest.raises(Malformed):
        normal_path(target)


@given(paths)
def test_the_normal_form_of_a_normal_form_is_itself(raw: bytes) -> None:
    try:
        path = normal_path(raw)
    except Malformed:
        return
    assert normal_path(path.encode()) == path


@given(st.binary(max_size=30).map(lambda tail: b"/" + tail))
def test_a_normal_form_is_a_path_without_dot_segments(raw: bytes) -> None:
    try:
        path = normal_path(raw)
    except Malformed:
        return
    assert re.fullmatch(r"/[!-~]*", path)
    assert "?" not in path
    assert not {".", ".."} & set(re.split(r"/|\\|%2F|%5C", path))


@pytest.mark.parametrize("text", ["v1", "", "/a?b", "/a#b", "/..", "/a%2F.."])
def test_a_path_in_the_configuration_must_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        literal_path(text, what="prefix")


@pytest.mark.parametrize(
    ("target", "right"),
    [(b"/a?b[]=1&c", True), (b"/caf\xc3\xa9", False), (b'/"', False), (b"/a?{b}", False)],
)
def test_what_has_to_be_escaped_is_found(target: bytes, right: bool) -> None:
    if right:
        check_escapes(target)
    else:
        with pytest.raises(Malformed, match="not escaped"):
            check_escapes(target)


@pytest.mark.parametrize(
    ("path", "prefix", "inside"),
    [
        (b"/v1", b"/v1", True),
        (b"/v1/", b"/v1", True),
        (b"/v1/a", b"/v1", True),
        (b"/v10", b"/v1", False),
        (b"/", b"/v1", False),
        (b"/a", b"", True),
    ],
)
def test_a_prefix_is_of_whole_segments(path: bytes, prefix: bytes, inside: bool) -> None:
    assert within(path, prefix) is inside


@pytest.mark.parametrize(
    ("method", "raw", "sentence"),
    [
        ("GET", b"/a#x", 'target "/a" has a fragment (#)'),
        ("GET", b"/a#access_token=secret", 'target "/a" has a fragment (#)'),
        ("GET", b"/a?secret#x", 'target "/a" has a fragment (#)'),
        ("GET", b"http://api.test/a#x", 'target "http://api.test/a" has a fragment (#)'),
        ("GET", b"http://api.test#secret", 'target "http://api.test" has a fragment (#)'),
        ("GET", b"*", 'target "*" is for OPTIONS alone'),
        ("GET", b"foo", f'target "foo" {NEITHER}'),
        ("GET", b"foo?secret#secret", f'target "foo" {NEITHER}'),
        ("GET", b"", f'target "" {NEITHER}'),
        ("GET", b"?secret", f'target "" {NEITHER}'),
        ("GET", b"api.test:443", f'target "api.test:443" {NEITHER}'),
        ("GET", b"http:/a", f'target "http:/a" {NEITHER}'),
        ("GET", b"ftp://x/y", f'target "ftp://x/y" {NEITHER}'),
        ("GET", b"ftp://user:secret@x/y", f'target "x/y" {NEITHER}'),
        ("GET", b"user:secret@x", f'target "x" {NEITHER}'),
        ("GET", b"http:///x", 'target "http:///x" names no host'),
        ("GET", b"HTTPS://?secret", 'target "HTTPS://" names no host'),
        ("GET", b"http://#secret", 'target "http://" names no host'),
        ("GET", b"http://user:secret@api.test/?secret", 'the target names a user of "api.test"'),
        ("GET", b"http://@api.test/", 'the target names a user of "api.test"'),
        ("GET", b"http://secret@api.test", 'the target names a user of "api.test"'),
        ("GET", b"http://user:secret@api.test#x", 'the target names a user of "api.test"'),
        ("GET", b"http://user:secret@api.test /", 'target "api.test /" has a blank'),
        ("GET", b"http://user:secret@secret/@a/", 'the target names a user of "***"'),
        ("GET", b"http://user:secret#secret@a/", f'"***" {NO_HOST}'),
        ("GET", b"http://user:secret?secret@a/", f'"***" {NO_HOST}'),
        ("GET", b"http://user:secret/secret@a/", f'"***" {NO_HOST}'),
        ("GET", b"http://secret#secret@a/", 'target "***" has a fragment (#)'),
        ("GET", b"ftp://user:secret?secret@a/", f'target "***" {NEITHER}'),
        ("GET", b"user:secret/secret@a/", f'target "a/" {NEITHER}'),
        ("GET", b"http://user:secret?secret@a/ ", 'target "***" has a blank'),
        ("GET", b"http://a:99999/x", f'"a:99999" {NO_HOST}'),
        ("GET", b"http://a,b/x", f'"a,b" {NO_HOST}'),
        ("GET", b"http://[::g]/x", f'"[::g]" {NO_HOST}'),
        ("GET", b"/a b?token=secret", 'target "/a b" has a blank'),
        ("GET", b"/a b?token=secret@x", 'target "/a b" has a blank'),
        ("GET", b"/\x00#x", 'target "/\\x00" has a control character'),
        ("OPTIONS", b"/a\t", 'target "/a\\t" has a control character'),
    ],
)
def test_a_refused_target_is_told_what_is_wrong_without_secrets(
    method: str, raw: bytes, sentence: str
) -> None:
    with pytest.raises(Malformed) as caught:
        split_target(method, raw)
    assert plain(str(caught.value)) == sentence
    assert "secret" not in sentence


@pytest.mark.parametrize("raw", [b"/ " + b"a" * 500, b"a" * 500, b"http://" + b"," * 500])
def test_a_refused_target_is_not_shown_at_length(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        split_target("GET", raw)
    assert 200 < len(str(caught.value)) < 300
