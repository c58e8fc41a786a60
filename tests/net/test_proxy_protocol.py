"""Headers of the PROXY protocol, as its specification has them."""

import struct
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.net.proxy_protocol import SIGNATURE, introduction, read_introduction


def version_2(command: int = 0x21, kind: int = 0x11, body: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


FOUR = bytes([192, 0, 2, 7, 10, 0, 0, 1]) + struct.pack("!HH", 5000, 443)
SIX = ip_address("2001:db8::7").packed + ip_address("::1").packed + struct.pack("!HH", 5000, 443)
MAPPED = ip_address("::ffff:192.0.2.7").packed + bytes(16) + struct.pack("!HH", 1, 2)
TLV = b"\x04\x00\x03abc"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 5000 443\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", ""),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff 65535 65535\r\n", ""),
        (version_2(body=FOUR), "192.0.2.7"),
        (version_2(body=FOUR + TLV), "192.0.2.7"),
        (version_2(kind=0x21, body=SIX), "2001:db8::7"),
        (version_2(kind=0x21, body=MAPPED), "192.0.2.7"),
        (version_2(command=0x20, kind=0), ""),
        (version_2(command=0x20, body=FOUR), ""),  # LOCAL: the balancer's own health check
        (version_2(kind=0), ""),
        (version_2(kind=0x31, body=bytes(216)), ""),
        (version_2(kind=0x12, body=FOUR), ""),  # datagrams
        (version_2(kind=0x32, body=bytes(216)), ""),
        (version_2(command=0x20, kind=0x41), ""),  # LOCAL: the family is ignored
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 0 65535\r\n", "192.0.2.7"),
    ],
)
def test_a_header_says_who_the_client_is_whatever_follows(header: bytes, client: str) -> None:
    for size in range(len(header)):
        assert read_introduction(header[:size]) is None
    for more in (b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01"):
        assert read_introduction(header + more) == (len(header), client)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"P0",
        b"\x16\x03\x01",
        b"\r\n\r\n\0\r\nQUIX",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY TCP4 1.2.3 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
        b"PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UNKNOWN " + b"x" * 100,
        version_2(command=0x11, body=FOUR),
        version_2(command=0x22, body=FOUR),
        *(version_2(kind=kind, body=FOUR) for kind in (0x01, 0x10, 0x13, 0x41, 0xF1)),
        version_2(body=FOUR[:-1]),
        version_2(kind=0x21, body=FOUR),
        version_2(body=FOUR + bytes(5000)),
    ],
)
def test_what_is_no_header_is_told_at_once(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"version|header|line"):
        read_introduction(data)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: SIGNATURE + data))
def test_no_bytes_break_it(data: bytes) -> None:
    try:
        found = read_introduction(data)
    except ValueError:
        return
    assert found is None or 0 < found.size <= len(data)


V4, V6 = ("192.0.2.7", 5000), ("2001:db8::7", 5001)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    ("source", "to", "client"),
    [
        (V4, ("10.0.0.1", 443), "192.0.2.7"),
        (V6, ("2001:db8::1", 443), "2001:db8::7"),
        (V4, ("::ffff:10.0.0.1", 443), "192.0.2.7"),
        (V4, ("2001:db8::1", 443), "192.0.2.7"),
        (V6, ("10.0.0.1", 443), "2001:db8::7"),
        (None, None, ""),
        (None, V4, ""),
    ],
)
def test_what_is_written_is_what_is_read(version: str, source: Any, to: Any, client: str) -> None:
    header = introduction(version, source, to)
    assert read_introduction(header + b"GET") == (len(header), client)


def test_the_headers_are_those_of_the_specification() -> None:
    """Section 2.1 and 2.2 of HAProxy's ``doc/proxy-protocol.txt``."""
    to = ("10.0.0.1", 443)
    assert introduction("v1", V4, to) == b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n"
    assert introduction("v1", None, None) == b"PROXY UNKNOWN\r\n"
    assert introduction("v2", V4, to) == bytes.fromhex(
        "0d0a0d0a000d0a515549540a 21 11 000c c0000207 0a000001 1388 01bb"
    )
    assert introduction("v2", None, None) == bytes.fromhex("0d0a0d0a000d0a515549540a 20 00 0000")
