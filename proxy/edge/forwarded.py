"""Who the client is: X-Forwarded-* and Forwarded (RFC 7239)."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal, NamedTuple, TypeAlias

from proxy.http.authority import network
from proxy.http.bounded_cache import BoundedCache
from proxy.http.fields import DASHED, Fields
from proxy.http.forwarded import (
    Element,
    elements,
    encode_element,
    told_host,
    told_scheme,
    valid_values,
)
from proxy.http.grammar import Malformed, members

Families: TypeAlias = Literal["both", "x", "forwarded", "off"]

UNIX: Final = "unix"
"""The word in ``trusted_proxies`` for clients on unix sockets."""

# Peers and Hosts are the clients' choice: what is remembered about them is bounded.
_REMEMBERED: Final = 1024
_ROOM: Final = 1 << 20
_LONGEST: Final = 255

_INITIALS: Final = frozenset({b"x", b"X", b"f", b"F"})
_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_NODE: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\]|([0-9.]+))(?::[0-9]{1,5}|:_[\w.-]+)?"
)
"""An address with or without a port, IPv6 in brackets (RFC 7239 6)."""
_UNKNOWN: Final = b"unknown"
_XFF: Final = b"x-forwarded-for"
_PROTOCOL: Final = b"x-forwarded-proto"
_HOST: Final = b"x-forwarded-host"
_FORWARDED: Final = b"forwarded"
_REAL_IP: Final = b"x-real-ip"
_LISTS: Final = frozenset({_XFF, _FORWARDED})
_GATEWAY: Final = frozenset({b"script_name", b"path_info"})
"""gunicorn's ``forwarder_headers``: what SCRIPT_NAME says is cut off the path, by default for every
peer on its own host."""


class _Peer(NamedTuple):
    """What there is to know about an address we are connected to."""

    address: str
    trusted: bool
    node: bytes


class _Said(NamedTuple):
    """What trusted proxies said about the client and themselves."""

    nodes: list[bytes]
    """Who asked each of them, the client first."""
    forwarded: list[bytes]
    """Values of Forwarded that can be passed on."""
    protos: list[bytes]
    hosts: list[bytes]


class Forwarding:
    """Tells the upstream who asked, and believes only whom the operator trusts."""

    __slots__ = ("_families", "_networks", "_peers", "_stamps", "_unix")

    def __init__(self, trusted: Sequence[str], families: Families = "both") -> None:
        """CIDRs and the word ``unix``; ``families``: see ``[server] forwarded``.

        Raises ValueError on anything else.
        """
        self._unix = UNIX in trusted
        self._networks = [network(cidr) for cidr in trusted if cidr != UNIX]
        self._families = families
        self._peers: BoundedCache[str, _Peer] = BoundedCache(_REMEMBERED, _ROOM)
        self._stamps: BoundedCache[tuple[str, bytes, str], Fields] = BoundedCache(
            _REMEMBERED, _ROOM
        )

    def apply(
        self, fields: Fields, *, peer: str, peer_known: bool = True, scheme: str, host: bytes
    ) -> tuple[Fields, str, str]:
        """The fields for the upstream, and the client's address and scheme as far as we know.

        ``peer`` and ``peer_known``: see ``ClientStream``.
        """
        known = self._peers.get(peer)
        if known is None:
            known = self._learn(peer)
        if known.trusted and peer_known:
            return self._append(fields, known, scheme, host)
        key = (peer, host, scheme)
        stamp = self._stamps.get(key)
        if stamp is None:
            stamp = self._chosen(_stamp(known, scheme, host))
            if len(host) <= _LONGEST:
                self._stamps.remember(key, stamp, 4 * len(host) + 512)
        kept = [
            field
            for field in fields
            if (field[0][:1] not in _INITIALS and b"_" not in field[0])
            or not is_of_proxies(field[0])
        ]
        kept += stamp
        return kept, known.address, scheme

    def trusts(self, peer: str) -> bool:
        """Whether what this address says of its client is believed; empty on a unix socket."""
        return (self._peers.get(peer) or self._learn(peer)).trusted

    def _learn(self, peer: str) -> _Peer:
        address = _address(peer)
        if address is None:
            known = _Peer("", self._unix and not peer, _UNKNOWN)
        else:
            trusted = any(address in network for network in self._networks)
            known = _Peer(str(address), trusted, _node(str(address).encode()))
        if len(peer) <= _LONGEST:
            self._peers.remember(peer, known, len(peer) + 256)
        return known

    def _chosen(self, fields: Fields) -> Fields:
        """The fields of those families that the options send upstream."""
        if self._families == "both":
            return fields
        wanted = {"x": False, "forwarded": True}.get(self._families)
        return [
            field
            for field in fields
            if (about := about_the_client(field[0])) is None
            or about == _REAL_IP
            or (about == _FORWARDED) is wanted
        ]

    def _append(
        self, fields: Fields, peer: _Peer, scheme: str, host: bytes
    ) -> tuple[Fields, str, str]:
        """What a trusted proxy said, and our own word behind it."""
        kept: Fields = []
        given: dict[bytes, list[bytes]] = {}
        for field in fields:
            name = about_the_client(field[0])
            if name is None:
                kept.append(field)
            elif b"_" not in field[0]:
                given.setdefault(name, []).append(field[1])
                if name not in _LISTS:
                    kept.append(field)
            # No proxy spells it with "_"; a client that does hopes for a reader who takes both.
        said = _read(given)
        client_scheme = scheme
        if said.protos:  # the last word is that of the nearest proxy
            client_scheme = _SCHEMES.get(said.protos[-1].lower(), scheme)
        addresses = [*said.nodes, peer.address.encode()] if peer.address else said.nodes
        if addresses:
            kept.append((b"X-Forwarded-For", b", ".join(addresses)))
        if _PROTOCOL not in given:
            kept.append((b"X-Forwarded-Proto", client_scheme.encode()))
        if _HOST not in given and (first := said.hosts[0] if said.hosts else host):
            kept.append((b"X-Forwarded-Host", first))
        kept.append((b"Forwarded", _forwarded(said, peer, scheme, client_scheme, host)))
        return self._chosen(kept), self._client(said.nodes, peer.address), client_scheme

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


def _read(given: dict[bytes, list[bytes]]) -> _Said:
    """Lines of Forwarded that nobody can read are not passed on, nor what stands before them."""
    forwarded: list[bytes] = []
    told: list[Element] = []
    for value in given.get(_FORWARDED, ()):
        try:
            found = elements(value)
        except Malformed:
            forwarded.clear()
            told = [{}]  # somebody, before whom nobody can be believed
            continue
        line, found = valid_values(value, found)
        if line:
            forwarded.append(line)
        told += found
    nodes = members(b",".join(given.get(_XFF, ())))
    protos = members(b",".join(given.get(_PROTOCOL, ())))
    hosts = members(b",".join(given.get(_HOST, ())))
    if not nodes and told:
        nodes = [_plain(element.get(b"for", b"")) for element in told]
    return _Said(
        nodes,
        forwarded,
        protos or [element[b"proto"] for element in told if b"proto" in element],
        hosts or [element[b"host"] for element in told if b"host" in element],
    )


def _forwarded(said: _Said, peer: _Peer, scheme: str, client_scheme: str, host: bytes) -> bytes:
    """What was said before, in the terms of RFC 7239, and an element of ours behind it.

    Where only X-Forwarded-* came, they are converted (RFC 7239 7.4). Ours says nothing about scheme
    and host where that would contradict what others said of the client: a reader who takes the last
    element, or the first one that has a proto, must not come to another answer.
    """
    chain = list(said.forwarded)
    if not chain and (said.nodes or said.protos or said.hosts):
        chain = _converted(said)
    proto = scheme.encode() if scheme == client_scheme else b""
    named = b"" if said.hosts and said.hosts[0] != host else told_host(host)
    own = encode_element(((b"for", peer.node), (b"host", named), (b"proto", proto)))
    return b", ".join([*chain, own])


def _converted(said: _Said) -> list[bytes]:
    """Elements for the nodes of X-Forwarded-For.

    A single scheme or host is the client's, who stands first; as many as there are nodes belong to
    one each; of any other number nobody knows whose they are.
    """
    nodes = said.nodes or [_UNKNOWN]
    protos = _spread([told_scheme(each) for each in said.protos], len(nodes))
    hosts = _spread([told_host(each) for each in said.hosts], len(nodes))
    return [
        encode_element(((b"for", _node(_plain(node))), (b"host", host), (b"proto", proto)))
        for node, host, proto in zip(nodes, hosts, protos, strict=True)
    ]


def _spread(values: list[bytes], count: int) -> list[bytes]:
    if len(values) == count:
        return values
    return [values[0] if len(values) == 1 else b"", *[b""] * (count - 1)]


def about_the_client(name: bytes) -> bytes | None:
    """X-Forwarded-*, Forwarded and X-Real-IP in lower case, however spelled; None for all else."""
    low = DASHED[name]
    return low if low.startswith(b"x-forwarded") or low in (_FORWARDED, _REAL_IP) else None


def is_of_proxies(name: bytes) -> bool:
    """Whether a client may not say it: what tells servers who asks, and for which path."""
    return about_the_client(name) is not None or name.lower() in _GATEWAY


def _stamp(peer: _Peer, scheme: str, host: bytes) -> Fields:
    """The fields for a peer that nobody stands before."""
    fields: Fields = []
    if peer.address:
        fields.append((b"X-Forwarded-For", peer.address.encode("ascii")))
    fields.append((b"X-Forwarded-Proto", scheme.encode("ascii")))
    if host:
        fields.append((b"X-Forwarded-Host", host))
    proto = scheme.encode("ascii")
    pairs = ((b"for", peer.node), (b"host", told_host(host)), (b"proto", proto))
    fields.append((b"Forwarded", encode_element(pairs)))
    return fields


def _node(text: bytes) -> bytes:
    """A bare address, or a word, as Forwarded has it (RFC 7239 6)."""
    return b"[%b]" % text if b":" in text else text


def _plain(node: bytes) -> bytes:
    """The bare address of a node; ``unknown`` where it has none, or hides it."""
    address = _address(_bare(node.decode("latin-1")))
    return _UNKNOWN if address is None else str(address).encode()


def _bare(text: str) -> str:
    """The address in ``address``, ``address:port`` or ``[address]:port``."""
    found = _NODE.fullmatch(text.strip(" \t"))
    return found[1] or found[2] if found is not None else text.strip(" \t")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address without a zone, IPv4 as IPv4 however it was mapped."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
