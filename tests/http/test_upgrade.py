"""Going over to another protocol."""

import pytest

from proxy.http.upgrade import accepted, offered


@pytest.mark.parametrize(
    ("fields", "offer"),
    [
        ([(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")], b"websocket"),
        ([(b"upgrade", b"a/1, b"), (b"CONNECTION", b"keep-alive,upgrade")], b"a/1, b"),
        ([(b"Upgrade", b"a"), (b"Upgrade", b"b"), (b"Connection", b"upgrade")], b"a, b"),
        ([(b"Upgrade", b"h2c, websocket"), (b"Connection", b"upgrade")], b"websocket"),
        ([(b"Upgrade", b"H2C"), (b"Connection", b"upgrade")], b""),
        ([(b"Upgrade", b"websocket")], b""),
        ([(b"Upgrade", b"websocket"), (b"Connection", b"close")], b""),
        ([(b"Connection", b"upgrade")], b""),
    ],
)
def test_an_offer_stands_in_both_fields(fields: list[tuple[bytes, bytes]], offer: bytes) -> None:
    assert offered(fields) == offer


@pytest.mark.parametrize(
    ("offer", "answer", "right"),
    [
        (b"websocket", b"WebSocket", True),
        (b"WebSocket", b"websocket", True),
        (b"a, b, c", b"c, a", True),
        (b"websocket", b"websocket, ,", True),  # empty members are ignored (RFC 9110 5.6.1.2)
        (b"websocket", b"h2c", False),
        (b"a", b"a, b", False),
        (b"a", b"", False),
        (b"a", b",", False),
    ],
)
def test_only_what_was_offered_is_accepted(offer: bytes, answer: bytes, right: bool) -> None:
    assert accepted(offer, answer) is right
