"""Which replies are for one client only."""

import pytest

from proxy.http.cache_control import directives, for_one_client


@pytest.mark.parametrize(
    ("field", "alone"),
    [
        ((b"Cache-Control", b"public, max-age=60"), False),
        ((b"Cache-Control", b"max-age=60, Private"), True),
        ((b"CACHE-CONTROL", b'private="set-cookie"'), True),
        ((b"cache-control", b"no-store"), True),
        ((b"CDN-Cache-Control", b"no-cache"), True),
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
