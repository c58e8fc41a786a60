"""What requests are told apart by."""

import re

import pytest

from proxy.core.exchange import Exchange
from proxy.core.request_key import PATTERN, key_of
from proxy.http.fields import RawHeaders


def exchange(*fields: tuple[bytes, bytes]) -> Exchange:
    headers: RawHeaders = fields
    made = Exchange("GET", b"/a%20b?c", headers, b"/a%20b?c", path="/a%20b", client="192.0.2.7")
    made.route = "/a"
    return made


@pytest.mark.parametrize(
    ("text", "fields", "key"),
    [
        ("path", [], b"/a%20b"),
        ("route", [], b"/a"),
        ("client_addr", [], b"192.0.2.7"),
        ("header:X-User", [(b"x-uSER", b"ann"), (b"X-User", b"ben")], b"ann"),
        ("header:X-User", [(b"X-User", b"\xff")], b"\xff"),
        ("header:X-User", [(b"X-User-Id", b"ann")], None),
        ("header:X-User", [], None),
        ("cookie:sid", [(b"Cookie", b"a=1; sid=x=y; b=2")], b"x=y"),
        ("cookie:sid", [(b"Cookie", b"a=1"), (b"COOKIE", b"sid=7")], b"7"),
        ("cookie:sid", [(b"Cookie", b"SID=1; xsid=2; sid2=3; sid")], b""),
        ("cookie:sid", [(b"Cookie", b"SID=1; xsid=2; sid2=3")], None),
        ("cookie:sid", [(b"X-Cookie", b"sid=7")], None),
    ],
)
def test_a_key_is_found_where_it_stands(
    text: str, fields: list[tuple[bytes, bytes]], key: bytes | None
) -> None:
    assert key_of(text)(exchange(*fields)) == key


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("path", True),
        ("route", True),
        ("client_addr", True),
        ("header:X-User", True),
        ("cookie:__Host-sid", True),
        ("header:", False),
        ("header:a b", False),
        ("cookie", False),
        ("query:a", False),
        ("path:x", False),
        ("Path", False),
    ],
)
def test_only_what_can_be_found_is_a_key(text: str, known: bool) -> None:
    assert bool(re.search(PATTERN, text)) is known


@pytest.mark.parametrize("key", ["header:X-Key", "cookie:k", "path"])
def test_long_keys_are_kept_short(key: str) -> None:
    """Clients choose them: ten thousand keys of 16 KiB each would be 160 MiB."""
    find = key_of(key)

    def found(value: bytes) -> bytes:
        headers = [(b"X-Key", value), (b"Cookie", b"k=" + value)]
        exchange = Exchange("GET", b"/", headers, b"/", path=value.decode())
        return find(exchange) or b""

    assert found(b"x" * 64) == b"x" * 64
    one, other = found(b"x" * 16_000), found(b"x" * 15_999 + b"y")
    assert len(one) == len(other) == 17
    assert one != other
