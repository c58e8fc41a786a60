"""Who the client is: X-Forwarded-* and Forwarded (RFC 7239)."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple, TypeAlias, TypeVar

from proxy.core.fields import RawHeaders
from proxy.edge.end_to_end import TOKEN

Fields: TypeAlias = list[tuple[bytes, bytes]]
K = TypeVar("K")
V = TypeVar("V")

UNIX: Final = "unix"
"""The word in ``trusted_proxies`` for clients on unix sockets."""

# Peers and Hosts are the clients' choice: what is remembered about them is bounded.
_REMEMBERED: Final = 1024
_LONGEST: Final = 255

_INITIALS: Final = frozenset({b"x", b"X", b"f", b"F"})
_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_FOR: Final = re.compile(rb'(?i)(?:^|[,;])[ \t]*for=("[^"]*"|[^",; \t]*)')
_PROTO: Final = re.compile(rb'(?i)(?:^|[,;])[ \t]*proto="?([a-z]+)')
_UNKNOWN: Final = b"unknown"
_XFF: Final = b"x-forwarded-for"
_PROTOCOL: Final = b"x-forwarded-proto"
_PREFIX: Final = b"x-forwarded-prefix"
_FORWARDED: Final = b"forwarded"
_LISTS: Final = frozenset({_XFF, _FORWARDED})


class _Peer(NamedTuple):
    """What there is to know about an address we are connected to."""

    address: str
    trusted: bool
    node: bytes


class Forwarding:
    """Tells the upstream who asked, and believes only whom the operator trusts."""

    __slots__ = ("_networks", "_peers", "_stamps", "_unix")

    def __init__(self, trusted: Sequence[str]) -> None:
        """CIDRs and the word ``unix``. Raises ValueError on anything else."""
        self._unix = UNIX in trusted
        self._networks = [ip_network(cidr) for cidr in trusted if cidr != UNIX]
        self._peers: dict[str, _Peer] = {}
        self._stamps: dict[tuple[str, bytes, str], Fields] = {}

    def apply(
        self, fields: Fields, *, peer: str, scheme: str, host: bytes
    ) -> tuple[Fields, str, str]:
        """The fields for the upstream, and the client's address and scheme as far as we know.

        ``peer`` is the address at the other end of the connection, empty on a unix socket.
        """
        known = self._peers.get(peer)
        if known is None:
            known = self._learn(peer)
        if known.trusted:
            return self._append(fields, known, scheme, host)
        key = (peer, host, scheme)
        stamp = self._stamps.get(key)
        if stamp is None:
            stamp = _stamp(known, scheme, host)
            if len(host) <= _LONGEST:
                _remember(self._stamps, key, stamp)
        kept = [
            field
            for field in fields
            if field[0][:1] not in _INITIALS or _about_the_client(field[0]) is None
        ]
        kept += stamp
        return kept, known.address, scheme

    def _learn(self, peer: str) -> _Peer:
        address = _address(peer)
        if address is None:
            known = _Peer("", self._unix and not peer, _UNKNOWN)
        else:
            trusted = any(address in network for network in self._networks)
            known = _Peer(str(address), trusted, _node(address))
        if len(peer) <= _LONGEST:
            _remember(self._peers, peer, known)
        return known

    def _append(
        self, fields: Fields, peer: _Peer, scheme: str, host: bytes
    ) -> tuple[Fields, str, str]:
        """What a trusted proxy said, and our own word behind it."""
        kept: Fields = []
        said: dict[bytes, list[bytes]] = {}
        for field in fields:
            name = _about_the_client(field[0])
            if name is None:
                kept.append(field)
            elif b"_" not in field[0]:
                said.setdefault(name, []).append(field[1])
                if name not in _LISTS:
                    kept.append(field)
            # No proxy spells it with "_"; a client that does hopes for a reader who takes both.
        chain = _members(said.get(_XFF, ()))
        forwarded = [value for value in said.get(_FORWARDED, ()) if value.strip()]
        addresses = chain or _FOR.findall(b",".join(forwarded))
        if chain and not peer.address:
            kept.append((b"X-Forwarded-For", b", ".join(chain)))
        for name, value in _stamp(peer, scheme, host):
            low = name.lower()
            if low == _XFF:
                kept.append((name, b", ".join([*chain, value])))
            elif low == _FORWARDED:
                kept.append((name, b", ".join([*forwarded, value])))
            elif low not in said:
                kept.append((name, value))
        schemes = _members(said.get(_PROTOCOL, ())) or _PROTO.findall(b",".join(forwarded))
        if schemes:  # the last word is that of the nearest proxy
            scheme = _SCHEMES.get(schemes[-1].lower(), scheme)
        return kept, self._client(addresses, peer.address), scheme

    def _client(self, addresses: Sequence[bytes], peer: str) -> str:
        """The right-most address that we do not trust, else the left-most there is.

        What stands to the left of it, or of something that is no address, anyone may have written.
        """
        client = peer
        for text in reversed(addresses):
            bare = _bare(text.decode("latin-1"))
            known = self._peers.get(bare) or self._learn(bare)
            if not known.address:
                break
            client = known.address
            if not known.trusted:
                break
        return client


def prefixed(fields: RawHeaders, prefix: bytes) -> Fields:
    """With X-Forwarded-Prefix, behind what a trusted proxy said there."""
    kept: Fields = []
    said: list[bytes] = []
    for field in fields:
        if field[0].lower() == _PREFIX:
            said.append(field[1])
        else:
            kept.append(field)
    kept.append((b"X-Forwarded-Prefix", b", ".join([*said, prefix])))
    return kept


def _about_the_client(name: bytes) -> bytes | None:
    """X-Forwarded-* and Forwarded in lower case, however spelled; None for all else."""
    low = name.lower().replace(b"_", b"-")
    return low if low.startswith(b"x-forwarded") or low == _FORWARDED else None


def _members(values: Sequence[bytes]) -> list[bytes]:
    """The members of a list, however many fields it was spread over (RFC 9110 5.6.1)."""
    return [member for part in b",".join(values).split(b",") if (member := part.strip(b" \t"))]


def _stamp(peer: _Peer, scheme: str, host: bytes) -> Fields:
    """The fields for a peer that nobody stands before."""
    fields: Fields = []
    element = b"for=" + peer.node
    if peer.address:
        fields.append((b"X-Forwarded-For", peer.address.encode("ascii")))
    fields.append((b"X-Forwarded-Proto", scheme.encode("ascii")))
    if host:
        fields.append((b"X-Forwarded-Host", host))
        element += b";host=" + _quoted(host)
    fields.append((b"Forwarded", b"%b;proto=%b" % (element, scheme.encode("ascii"))))
    return fields


def _quoted(value: bytes) -> bytes:
    """A token as it is, else a quoted string (RFC 9110 5.6.4)."""
    if TOKEN.fullmatch(value):
        return value
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _node(address: IPv4Address | IPv6Address) -> bytes:
    text = str(address).encode("ascii")
    return text if isinstance(address, IPv4Address) else b'"[%b]"' % text  # RFC 7239 6


def _bare(text: str) -> str:
    """The address in ``address``, ``address:port`` or ``[address]:port``, quoted or not."""
    text = text.strip(' \t"')
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address without a zone, IPv4 as IPv4 however it was mapped."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
