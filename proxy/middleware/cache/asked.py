"""What a request says that matters for a cache, found in one pass over its fields."""

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from proxy.core.body import read_whole
from proxy.core.exchange import Exchange
from proxy.core.stored import Entry, Meta
from proxy.http.bounded_cache import Memo
from proxy.http.cache_control import cache_directives
from proxy.http.canonical_json import canonical
from proxy.http.codings import codings
from proxy.http.fields import RawHeaders, is_json, media_type, once, values
from proxy.http.vary import selecting_form, selecting_value
from proxy.middleware.cache.meanings import ADDRESS, CONDITION, MEANINGS, ORIGIN, OWNER, PARTS
from proxy.policy.freshness import ANYTHING, Wanted, wanted_by

_CONTENT: Final = (b"content-type", b"content-encoding", b"content-language")
_MAX_QUERY: Final = 64 << 10
_MAX_POST: Final = 1 << 20
"""Bytes of a body that requests are told apart by; longer ones are not looked up."""
_SHAPING: Final = re.compile(
    rb"accept|accept-encoding|accept-language|(?!x-stainless-).*-(?:betas?|features?|version)"
)
"""Fields by which APIs that are asked by POST choose what they answer, without a word in Vary."""
_LONG: Final = 64
"""Bytes of a value that Vary names; of longer ones a digest is kept."""


def _shape(name: bytes) -> bytes:
    """A name in lower case where it is such a field, else nothing."""
    low = name.lower()
    return low if _SHAPING.fullmatch(low) else b""


_SHAPES: Final = Memo(_shape, 2048)


class Said(msgspec.Struct, frozen=True):
    """What the fields of a request say that matters for a cache."""

    wanted: Wanted
    authorized: bool
    conditional: bool
    """Whether 304 may be the answer."""
    for_origin: bool
    """Whether it has a condition that only the server can answer."""
    ranged: bool
    owner: bytes
    """Digest of its cookies and the like; empty for none."""
    named: tuple[bytes, ...]
    """What they say of the address, beside host and scheme (``meanings.address``)."""


class _Mattering:
    """The names of all fields that are read, in lower case."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, bytes) and bool(MEANINGS[name])


_MATTERING: Final = _Mattering()


def _said(fields: RawHeaders, host: str, scheme: str, posted_by: bytes | None = None) -> Said:
    """In one pass over the fields. ``posted_by``: of a POST, its Proxy-Authorization."""
    authorized = conditional = for_origin = ranged = pragma = False
    owner: list[bytes] = [posted_by] if posted_by else []
    controls: list[bytes] = []
    named: list[bytes] = []
    for name, value in fields:
        meaning = MEANINGS[name]
        if not meaning:
            continue
        if meaning is ADDRESS:
            named += PARTS[name, value, host, scheme]
        elif meaning is OWNER:
            owner += (name.lower(), value)
        elif meaning == b"authorization":
            authorized = True
            if posted_by is not None:
                owner.append(value)
        elif meaning == b"cache-control":
            controls.append(value)
        elif meaning == b"range":
            ranged = True
        elif meaning is CONDITION:
            conditional = True
        elif meaning is ORIGIN:
            for_origin = True
        else:
            pragma = pragma or b"no-cache" in value.lower()
    wanted = ANYTHING
    if controls or pragma:
        wanted = wanted_by(cache_directives(controls), pragma=pragma)
    whose = stable_digest(*owner) if owner else b""
    return Said(wanted, authorized, conditional, for_origin, ranged, whose, tuple(named))


class Asked(msgspec.Struct, eq=False):
    """One request as the cache sees it, see ``asked_by``."""

    exchange: Exchange
    content: bytes | None
    """Its body, if that counts."""
    key: bytes
    """What it is stored under, where everybody may have it."""
    own_key: bytes
    """What is stored for its owner alone."""
    owner: bytes
    wanted: Wanted
    authorized: bool
    conditional: bool
    for_origin: bool
    ranged: bool
    unanswered: bool = False
    """Whether the store has failed to say what there is for it."""
    labels: Sequence[bytes] = ()
    """What ``labels_of`` gives for it; empty where nobody has looked."""

    def key_for(self, meta: Meta) -> bytes:
        """What a reply to it with this head is stored under.

        Each owner has a key, so that many of them do not drive one another out.
        """
        return self.key if meta.public else self.own_key

    def takes(self, entry: Entry) -> bool:
        """Whether a stored reply may answer it, as far as Vary and credentials say."""
        meta = entry.meta
        if not meta.public and self.owner != meta.owner:
            return False
        if self.authorized and not meta.authorized:
            return False
        if not meta.vary:
            return True
        fields = self.exchange.headers
        return all(kept_value(fields, name) == value for name, value in meta.vary)


def asked_by(
    exchange: Exchange,
    key_of: Callable[[Exchange, Sequence[bytes]], bytes],
    content: bytes | None = None,
) -> Asked:
    """What this request asks for. ``content``: its body, if that counts.

    ``key_of`` gives what it is stored under, by what its fields say of the address.
    """
    fields, credentials = exchange.headers, exchange.proxy_credentials
    if exchange.method == "POST":
        said = _said(fields, exchange.host, exchange.scheme, credentials)
    else:
        known = exchange.encoded
        said = once(fields, known, _MATTERING, _said, exchange.host, exchange.scheme)
    key = key_of(exchange, said.named)
    if content is None:
        authorized, conditional, ranged = said.authorized, said.conditional, said.ranged
        authorized = authorized or bool(credentials)
    else:
        key = content_key(exchange, key, content)
        conditional = ranged = False  # these are for GET and HEAD
        # What an operator lets be stored of POSTs is for the same credentials only.
        authorized = (said.authorized or bool(credentials)) and exchange.method != "POST"
    owner = said.owner
    return Asked(
        exchange,
        content,
        key,
        stable_digest(key, owner) if owner else key,
        owner,
        said.wanted,
        authorized,
        conditional,
        said.for_origin,
        ranged,
    )


def kept_value(fields: RawHeaders, name: bytes) -> bytes | None:
    """What a request says in a field that Vary names, as it is stored: no longer than 64 bytes."""
    value = selecting_value(fields, name)
    if value is None or len(value) <= _LONG:
        return value
    return b"\0" + stable_digest(value)  # no field can say that


async def content_of(exchange: Exchange, *, post: bool) -> bytes | None:
    """The body of a request that is told apart by it; None where that is not looked up.

    ``post``: whether POST may be.
    """
    if exchange.method == "QUERY":
        return await read_whole(exchange.body, _MAX_QUERY)
    if exchange.method == "POST" and post and _has_json(exchange.headers):
        return await read_whole(exchange.body, _MAX_POST)
    return None


def _has_json(fields: RawHeaders) -> bool:
    """Whether a body is JSON as it is, without a coding."""
    kinds = values(fields, b"content-type")
    if len(kinds) != 1 or codings(fields):
        return False
    return is_json(media_type(kinds[0]))


def content_key(exchange: Exchange, key: bytes, content: bytes) -> bytes:
    """What a QUERY is stored under (RFC 10008 2.7), or a POST with a JSON body."""
    kinds = [selecting_value(exchange.headers, name) or b"" for name in _CONTENT]
    if exchange.method == "POST":
        form = canonical(content)
        raw = b"raw" if form is None else b""
        shaping: dict[bytes, list[bytes]] = {}
        for name, value in exchange.headers:
            if low := _SHAPES[name]:
                shaping.setdefault(low, []).append(value)
        for name in sorted(shaping):
            kinds += (name, selecting_form(name, shaping[name]))
        return stable_digest(key, b"POST", *kinds, raw, form or content)
    return stable_digest(key, exchange.method.encode(), *kinds, content)


def stable_digest(*parts: bytes) -> bytes:
    """16 bytes that stand for ``parts``, the same ones in every process and after a restart.

    What is stored outlives the process, so the key of ``core/redaction`` cannot be used.
    """
    return blake2b(in_parts(*parts), digest_size=16).digest()


def in_parts(*parts: bytes) -> bytes:
    """What ``stable_digest`` is made of: no other parts have the same."""
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def with_part(start: bytes, part: bytes) -> bytes:
    """``stable_digest`` of the parts that ``start`` was made of, and of one more."""
    return blake2b(b"%b%d:%b" % (start, len(part), part), digest_size=16).digest()
