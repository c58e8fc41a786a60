"""Heads of replies as bytes."""

import pytest

from proxy.edge.http1.encode import CLOSE, informational_head, reply_head, upgrade_lines
from proxy.http.fields import Encoded

FIELDS = [(b"X-A", b"1"), (b"x-a", b"2")]
OWN = [(b"Via", b"1.1 a")]


def test_a_head_has_the_fields_as_they_came_then_ours_then_its_framing() -> None:
    head = reply_head(200, b"OK", FIELDS, OWN, None, framing=b"Content-Length: 1\r\n" + CLOSE)
    assert head == (
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nVia: 1.1 a\r\n"
        b"Content-Length: 1\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize("same", [True, False])
def test_lines_are_taken_from_where_the_fields_have_them(same: bool) -> None:
    encoded = Encoded(FIELDS if same else [], b"kept: lines\r\n")
    head = reply_head(200, b"", FIELDS, [], encoded, framing=b"")
    lines = b"kept: lines\r\n" if same else b"X-A: 1\r\nx-a: 2\r\n"
    assert head == b"HTTP/1.1 200 \r\n" + lines + b"\r\n"


def test_an_informational_head_ends_with_an_empty_line() -> None:
    assert informational_head(103, b"Early Hints", [(b"Link", b"</a>")]) == (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    )


def test_a_switch_names_its_protocol() -> None:
    assert upgrade_lines(b"websocket") == b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
