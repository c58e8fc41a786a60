"""What a request says that matters for a cache, found in one pass over its fields."""

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

from proxy.core.body import read_whole
from proxy.core.exchange import Exchange
from proxy.core.stored import Entry, Meta
from proxy.http.bounded_cache import Memo
from proxy.http.cache_control import cache_directives
from proxy.http.canonical_json import canonical
from proxy.http.codings import codings
from proxy.http.fields import RawHeaders, is_json, media_type, values
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


class Asked:
    """One request as the cache sees it."""

    __slots__ = (
        "authorized",
        "conditional",
        "content",
        "exchange",
        "for_origin",
        "key",
        "labels",
        "own_key",
        "owner",
        "ranged",
        "unanswered",
        "wanted",
    )

    def __init__(
        self,
        exchange: Exchange,
        key_of: Callable[[Exchange, Sequence[bytes]], bytes],
        content: bytes | None = None,
    ) -> None:
        """``key_of`` gives what it is stored under, by what its fields say of the address.

        ``content``: its body, if that counts.
        """
        self.exchange = exchange
        self.content = content
        self.wanted: Wanted = ANYTHING
        self.authorized = bool(exchange.proxy_credentials)
        self.conditional = False
        """Whether 304 may be the answer."""
        self.for_origin = False
        """Whether it has a condition that only the server can answer."""
        self.unanswered = False
        """Whether the store has failed to say what there is for it."""
        self.ranged = False
        self.owner = b""
        """Digest of its cookies and the like; empty for none."""
        self.labels: list[bytes] = []
        """What ``labels_of`` gives for it; empty where nobody has looked."""
        posted = exchange.method == "POST"
        owner: list[bytes] = [exchange.proxy_credentials] if posted and self.authorized else []
        controls: list[bytes] = []
        named: list[bytes] = []
        pragma = False
        host, scheme = exchange.host, exchange.scheme
        for name, value in exchange.headers:
            meaning = MEANINGS[name]
            if not meaning:
                continue
            if meaning is ADDRESS:
                named += PARTS[name, value, host, scheme]
            elif meaning is OWNER:
                owner += (name.lower(), value)
            elif meaning == b"authorization":
                self.authorized = True
                if posted:
                    owner.append(value)
            elif meaning == b"cache-control":
                controls.append(value)
            elif meaning == b"range":
                self.ranged = True
            elif meaning is CONDITION:
                self.conditional = True
            elif meaning is ORIGIN:
                self.for_origin = True
            else:
                pragma = pragma or b"no-cache" in value.lower()
        self.key = key_of(exchange, named)
        if content is not None:
            self.key = content_key(exchange, self.key, content)
        if controls or pragma:
            self.wanted = wanted_by(cache_directives(controls), pragma=pragma)
        if content is not None:
            self.conditional = self.ranged = False  # these are for GET and HEAD
            # What an operator lets be stored of POSTs is for the same credentials only.
            self.authorized = self.authorized and not posted
        self.own_key = self.key
        """What is stored for its owner alone."""
        if owner:
            self.owner = stable_digest(*owner)
            self.own_key = stable_digest(self.key, self.owner)

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
