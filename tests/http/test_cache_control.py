"""Which replies are for one client only."""

import time

import pytest

from proxy.http.cache_control import (
    MOST,
    Directives,
    cache_directives,
    delta_seconds,
    directives,
    for_one_client,
    targeted,
)


@pytest.mark.parametrize(
    ("field", "alone"),
    [
        ((b"Cache-Control", b"public, max-age=60"), False),
        ((b"Cache-Control", b"max-age=60, Private"), True),
        ((b"CACHE-CONTROL", b'private="set-cookie"'), True),
        ((b"cache-control", b"no-store"), True),
        ((b"CDN-Cache-Control", b"no-cache"), True),
        ((b"Cache-Control", b"max-age=60; private"), True),
        ((b"Cache-Control", b"private max-age=60"), True),
        ((b"Cache-Control", b'x="; private"'), False),
        ((b"Cache-Control", b'max-age=60, x="a, private'), True),
        ((b"Cache-Control", b'max-age=60, x"a, private, y"'), True),
        ((b"Cache-Control", b'max-age=60, x="a" private'), True),
        ((b"Surrogate-Control", b"no-store"), True),
        ((b"Pragma", b"no-cache"), True),
        ((b"Set-Cookie", b"a=1"), True),
        ((b"Set-Cookie2", b"a=1"), True),
        ((b"WWW-Authenticate", b"Basic"), True),
        ((b"Proxy-Authenticate", b"Basic"), True),
        ((b"Authentication-Info", b"rspauth=1"), True),
        ((b"Proxy-Authentication-Info", b"rspauth=1"), True),
        ((b"Clear-Site-Data", b'"cookies"'), True),
        ((b"Vary", b"Accept, Accept-Encoding"), False),
        ((b"Vary", b"*"), True),
        ((b"Vary", b"accept, Traceparent"), True),
        ((b"X-Private", b"private"), False),
    ],
)
def test_fields_say_whose_a_reply_is(field: tuple[bytes, bytes], alone: bool) -> None:
    assert for_one_client(200, [(b"Date", b"x"), field]) is alone


@pytest.mark.parametrize(
    ("status", "alone"),
    [(200, False), (404, False), (401, True), (407, True), (421, True), (425, True), (429, True)],
)
def test_some_statuses_are_about_who_asked(status: int, alone: bool) -> None:
    assert for_one_client(status, []) is alone


def test_directives_are_names() -> None:
    assert directives(b"Max-Age = 60, NO-CACHE,, x") == [b"max-age", b"no-cache", b"x"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([b"max-age=60, Public"], {b"max-age": b"60", b"public": None}),
        ([b'MaX-aGe="60"'], {b"max-age": b"60"}),
        ([b"no-store; max-age=60"], {b"no-store": None, b"max-age": b""}),
        ([b"max-age=60; Private"], {b"private": None, b"max-age": b""}),
        ([b"public max-age=60, x"], {b"max-age": b"", b"x": None}),
        ([b"max-age=9, no-cache;x"], {b"max-age": b"9", b"no-cache": None}),
        ([b"max-age = 60"], {b"max-age": b""}),
        ([b'max-age=9, x="a, no-store'], {b"max-age": b"9", b"no-store": None}),
        ([b'max-age=9, x"a, private"'], {b"max-age": b"9", b"private": None}),
        ([b'x="a; private", y'], {b"x": b"a; private", b"y": None}),
        ([b'x="max-age=9, y", max-age=1'], {b"x": b"max-age=9, y", b"max-age": b"1"}),
        ([b'max-age="1", x="max-age=9'], {b"max-age": b"1"}),
        ([b"max-age=1, max-age=2", b"max-age=3"], {b"max-age": b"1"}),
        ([b"max-age =60"], {b"max-age": b""}),
        ([b"max-age= 60"], {b"max-age": b""}),
        ([b'no-cache="a", no-cache'], {b"no-cache": None}),
        ([b'private="a, b"', b'private="c"'], {b"private": b"a, b, c"}),
        ([b" , ,"], {}),
        ([rb'x="a\"b"'], {b"x": b'a"b'}),
    ],
    ids=range(19),
)
def test_directives_have_values(lines: list[bytes], found: Directives) -> None:
    assert cache_directives(lines) == found


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0),
        (b"003600", 3600),
        (b"99999999999", MOST),
        (b"9" * 5000, MOST),
        (b"-1", None),
        (b"1.5", None),
        (b"'1'", None),
        (b" 1", None),
        (b"", None),
        (None, None),
        (b"0" * 5000 + b"60", 60),
        (b"0" * 5000, 0),
    ],
    ids=range(12),
)
def test_seconds_are_whole_numbers(value: bytes | None, seconds: int | None) -> None:
    assert delta_seconds(value) == seconds


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([(b"CDN-Cache-Control", b"max-age=60, foo")], {b"max-age": b"60", b"foo": None}),
        ([(b"CDN-Cache-Control", b"no-store")], {b"no-store": None}),
        ([(b"cdn-cache-control", b"max-age=6"), (b"X-Own", b"max-age=7")], {b"max-age": b"7"}),
        (
            [(b"X-Own", b"max-age=6"), (b"X-Own", b"no-cache")],
            {b"max-age": b"6", b"no-cache": None},
        ),
        # malformed or empty: as if it were not there (RFC 9213 2.1); of a wrong type: no number
        ([(b"CDN-Cache-Control", b"max-age=60, &&&")], None),
        ([(b"CDN-Cache-Control", b'max-age="60"')], {b"max-age": b""}),
        ([(b"CDN-Cache-Control", b"max-age=-1")], {b"max-age": b""}),
        (
            [(b"CDN-Cache-Control", b'no-store, max-age="60"')],
            {b"no-store": None, b"max-age": b""},
        ),
        (
            [(b"CDN-Cache-Control", b"private, max-age=1.5")],
            {b"private": None, b"max-age": b""},
        ),
        (
            [(b"CDN-Cache-Control", b"no-cache, max-age=-1")],
            {b"no-cache": None, b"max-age": b""},
        ),
        ([(b"CDN-Cache-Control", b"no-store, stale-if-error=1.5")], {b"no-store": None}),
        ([(b"CDN-Cache-Control", b"MaX-aGe=60")], None),
        ([(b"CDN-Cache-Control", b"")], None),
        ([(b"X-Own", b"&"), (b"CDN-Cache-Control", b"max-age=1")], {b"max-age": b"1"}),
        ([(b"Cache-Control", b"max-age=1")], None),
    ],
    ids=range(15),
)
def test_the_first_valid_targeted_field_counts(
    fields: list[tuple[bytes, bytes]], found: Directives | None
) -> None:
    assert targeted(fields, (b"x-own", b"cdn-cache-control")) == found


@pytest.mark.parametrize("name", [b"private", b"no-cache"])
@pytest.mark.parametrize(
    "value", [b"1", b"true", b"YES", b"(a)", b'"a b"', b'"(a) b"', b'"a, b c"', b'"a, 1"', b'"@"']
)
def test_what_names_no_fields_is_about_the_whole_reply(name: bytes, value: bytes) -> None:
    assert cache_directives([b"max-age=60, %b=%b" % (name, value)])[name] is None


@pytest.mark.parametrize("value", [b'private=("Set-Cookie" "X-U")', b'private="Set-Cookie X-U"'])
def test_a_targeted_field_may_not_name_fields_in_another_way(value: bytes) -> None:
    found = targeted([(b"CDN-Cache-Control", b"max-age=60, " + value)], [b"cdn-cache-control"])
    assert found is not None
    assert found[b"private"] is None


@pytest.mark.parametrize(
    "value", [b"Set-Cookie", b'"set-cookie"', b'"Set-Cookie, X-U2"', b'" a ,"']
)
def test_names_of_fields_stay(value: bytes) -> None:
    assert cache_directives([b"private=" + value])[b"private"]


@pytest.mark.parametrize("value", [b"private=:U2V0LUNvb2tpZQ==:", b"private=1.5", b"private=@1"])
def test_only_words_of_a_targeted_field_name_fields(value: bytes) -> None:
    found = targeted([(b"CDN-Cache-Control", b"max-age=60, " + value)], [b"cdn-cache-control"])
    assert found is not None
    assert found[b"private"] is None


def test_a_long_name_takes_linear_time() -> None:
    begun = time.process_time()
    cache_directives([b'private="%b@"' % (b"a" * 200_000)])
    assert time.process_time() - begun < 5  # of many minutes, if each letter were tried as the one
