"""Bytes of clients as text of one line."""

import re
from pathlib import Path

import pytest

from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.http.fields import Encoded
from proxy.telemetry.access_log_line import Line, escaped, named, named_by, printable, tried

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (b"/a?b=%20", "/a?b=%20"),
        (b"/a\r\nb", "/a%0D%0Ab"),
        (b"/\xc3\xa4", "/%C3%A4"),
        (b"/\x7f", "/%7F"),
    ],
)
def test_no_target_breaks_its_line(target: bytes, text: str) -> None:
    assert escaped(target) == text


def test_text_that_cannot_be_printed_is_escaped() -> None:
    assert printable("a b") == "a b"
    assert printable("a\n\ud800") == "a%0A%ED%A0%80"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], ("", "")),
        ([(b"USER-AGENT", b"curl/8\x01")], ("curl/8%01", "")),
        ([(b"traceparent", TRACE)], ("", "0af7651916cd43dd8448eb211c80319c")),
        ([(b"Traceparent", b"00-nothing")], ("", "")),
    ],
)
def test_the_agent_and_the_trace_are_found(
    fields: list[tuple[bytes, bytes]], expected: tuple[str, str]
) -> None:
    assert named(fields) == expected


def test_what_is_known_of_the_fields_stands_for_them_while_they_are_the_same() -> None:
    fields = [(b"User-Agent", b"a"), (b"traceparent", TRACE)]
    exchange = Exchange("GET", b"/", fields, b"/")
    assert named_by(exchange) == named(fields) == ("a", TRACE[3:35].decode())
    exchange.encoded = Encoded(fields, b"", agent=b"known\x01", trace=TRACE)
    assert named_by(exchange) == ("known%01", TRACE[3:35].decode())
    exchange.headers, exchange.heard = [], fields  # a rule of the route has changed them
    assert named_by(exchange) == ("known%01", TRACE[3:35].decode())
    exchange.headers, exchange.heard = [(b"User-Agent", b"b")], None
    assert named_by(exchange) == ("b", "")


def test_where_the_request_named_the_trace_it_is_its_id() -> None:
    exchange = Exchange("GET", b"/", (), b"/", request_id="0af7")
    exchange.encoded = Encoded(exchange.headers, b"", agent=b"")
    assert named_by(exchange) == ("", "0af7")


def test_a_try_is_told_in_milliseconds() -> None:
    told = tried(Attempt("http://a", "503", 0.0123456))
    assert told == {"endpoint": "http://a", "outcome": "503", "ms": 12.346}


_PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_keys_stand_in_the_order_of_the_contract_and_of_the_page() -> None:
    always = (
        "time method target route upstream endpoint status error attempts bytes_in bytes_out "
        "queue_ms connect_ms first_byte_ms total_ms request_id"
    )
    sometimes = (
        "client host user_agent protocol trace_id cache tries coalesced hedged upstream_request_id"
    )
    keys = [*always.split(), *sometimes.split()]
    assert list(Line.__struct_fields__) == keys
    table = _PAGE.read_text().partition("one JSON object a line:")[2].partition("Keys from")[0]
    names = [line.partition(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    assert re.findall("`([a-z_]+)`", "".join(names)) == keys
