"""The PROXY protocol: how a balancer that passes connections on says whose they are.

Versions 1 and 2 as HAProxy's ``doc/proxy-protocol.txt`` has them.
"""

import re
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""What a header of version 2 begins with."""
LONGEST: Final = 4096
"""Bytes of a header of version 2 that are read: addresses have 36, the rest is for extensions."""

_LINE_BEGIN: Final = b"PROXY "
_LONGEST_LINE: Final = 107
_LINE: Final = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?"
    rb"|(TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))\r\n"
)
_HIGHEST_PORT: Final = 65535
_FIXED: Final = struct.Struct("!12sBBH")
_HEAD: Final = struct.Struct("!BBH")
_PORTS: Final = struct.Struct("!HH")
UNKNOWN: Final = b"PROXY UNKNOWN\r\n"
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_ADDRESSED: Final = {_TCP4: (4, 12), _TCP6: (16, 36)}
"""By address family and transport: bytes of an address, and of what has to follow the head."""
_UNNAMED: Final = frozenset({0x00, 0x12, 0x22, 0x31, 0x32})
"""The other ones that there are: unspecified, datagrams, unix sockets. All else is to be rejected
(section 2.2)."""


class Introduction(NamedTuple):
    """A header that is here as a whole."""

    size: int
    """Its bytes."""
    client: str
    """Address of the client; empty where the balancer speaks for itself, or does not know."""


def read_introduction(data: bytes) -> Introduction | None:
    """The header that ``data`` begins with; None where it is not whole yet.

    Raises ValueError where there is none, as soon as that is certain.
    """
    if data.startswith(SIGNATURE[: len(data)]):
        return _version_2(data) if len(data) >= _FIXED.size else None
    if data.startswith(_LINE_BEGIN[: len(data)]):
        return _version_1(data)
    raise ValueError("it does not begin with a header of the PROXY protocol")


def introduction(version: str, source: tuple[str, int] | None, to: tuple[str, int] | None) -> bytes:
    """The header that begins a connection to a server, of version ``"v1"`` or ``"v2"``.

    ``source``: address and port of the client, ``to``: where it has connected to; both None where
    nobody is introduced, for a health check and for a client that has no address.
    """
    if source is None or to is None:
        return UNKNOWN if version == "v1" else SIGNATURE + _HEAD.pack(_LOCAL, 0, 0)
    client, server = (ip_address(host.partition("%")[0]) for host, _ in (source, to))
    if client.version != server.version:  # a header has one family for both
        client, server = _mapped(client), _mapped(server)
    if version == "v1":
        line = f"PROXY TCP{client.version} {client} {server} {source[1]} {to[1]}\r\n"
        return line.encode()
    ports = _PORTS.pack(source[1], to[1])
    body = client.packed + server.packed + ports
    kind = _TCP4 if client.version == 4 else _TCP6
    return SIGNATURE + _HEAD.pack(_PROXY, kind, len(body)) + body


def _mapped(address: IPv4Address | IPv6Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")


def _version_1(data: bytes) -> Introduction | None:
    end = data.find(b"\r\n", 0, _LONGEST_LINE)
    if end < 0:
        if len(data) >= _LONGEST_LINE:
            raise ValueError("the line of version 1 has no end")
        return None
    found = _LINE.fullmatch(data[: end + 2])
    if found is None:
        raise ValueError("the line of version 1 is malformed")
    if found[1] is None:
        return Introduction(end + 2, "")
    try:
        client, server = ip_address(found[2].decode()), ip_address(found[3].decode())
    except ValueError:
        raise ValueError("the line of version 1 has no address of a client or server") from None
    if {client.version, server.version} != {6 if found[1] == b"TCP6" else 4}:
        raise ValueError("the line of version 1 has an address of another family")
    if max(int(found[4]), int(found[5])) > _HIGHEST_PORT:
        raise ValueError("the line of version 1 has a port that there is not")
    return Introduction(end + 2, _plain(client))


def _version_2(data: bytes) -> Introduction | None:
    _, command, kind, length = _FIXED.unpack_from(data)
    if command not in (_LOCAL, _PROXY):
        raise ValueError(f"version and command of version 2 are {command:#x}")
    size = _FIXED.size + length
    if size > LONGEST:
        raise ValueError(f"the header has {size} bytes, more than {LONGEST}")
    if command == _LOCAL:  # whatever else it says is ignored
        return Introduction(size, "") if len(data) >= size else None
    if kind not in _ADDRESSED and kind not in _UNNAMED:
        raise ValueError(f"address family and transport of version 2 are {kind:#x}")
    if kind in _ADDRESSED and length < _ADDRESSED[kind][1]:
        raise ValueError("the header of version 2 is shorter than its addresses")
    if len(data) < size:
        return None
    if kind in _UNNAMED:
        return Introduction(size, "")
    address = data[_FIXED.size : _FIXED.size + _ADDRESSED[kind][0]]
    return Introduction(size, _plain(ip_address(address)))


def _plain(address: IPv4Address | IPv6Address) -> str:
    """IPv4 as IPv4, however it was mapped."""
    return str(getattr(address, "ipv4_mapped", None) or address)
