"""From a reply to a stored one: whether it is stored, and the body on its way (RFC 9111 3)."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from proxy.core.reply import Ending, Reply
from proxy.core.stored import Meta, Writer
from proxy.http.cache_control import Directives, cache_directives, targeted
from proxy.http.conditional import first, validators
from proxy.http.date import date_of, http_date
from proxy.http.fields import Fields, RawHeaders, has, of_name, values
from proxy.http.grammar import members
from proxy.http.sse import streams_events
from proxy.http.vary import ANY, selecting_names, selecting_value
from proxy.middleware.cache.asked import Asked, stable_digest
from proxy.policy.freshness import Freshness, Lifetime, lifetime
from proxy.policy.freshness import initial_age as age_of
from proxy.policy.storing import (
    Facts,
    freshness,
    is_public,
    may_answer_authorized,
    why_not_stored,
)

_KEPT_BY_304: Final = frozenset({b"content-encoding", b"content-length", b"content-range", b"etag"})
"""What a 304 does not change: it is about the bytes that are stored (RFC 9111 3.2)."""
_TAGS: Final = (b"cache-tag", b"surrogate-key")
_MOST_TAGS: Final = 64
_LONGEST_TAG: Final = 256
_COOKIES: Final = (b"set-cookie", b"set-cookie2")


class Rules(NamedTuple):
    """The options, and what does not change between two replies."""

    ttl: float
    while_revalidate: float
    if_error: float
    max_object: int
    """Bytes; 0 for no bound."""
    targets: tuple[bytes, ...]
    """Names in lower case."""
    route: bytes
    wall: Callable[[], float]
    """The time of day, which Date is compared with."""


def said_by(fields: RawHeaders, rules: Rules) -> tuple[Directives, bool]:
    """The directives that count, and whether they are of a targeted field (RFC 9213 2.2)."""
    aimed = targeted(fields, rules.targets)
    if aimed is not None:
        return aimed, True
    return cache_directives(values(fields, b"cache-control")), False


def _freshness(
    fields: RawHeaders, status: int, rules: Rules, times: tuple[float, float]
) -> tuple[Freshness, Directives, Lifetime]:
    """With the directives that count, and how long the reply is fresh.

    ``times``: when it was asked for, and when it came.
    """
    said, aimed = said_by(fields, rules)
    asked_at, received_at = times
    made = date_of(value) if (value := first(fields, b"date")) is not None else None
    expires: float | None = None
    if not aimed and (value := first(fields, b"expires")) is not None:
        expires = date_of(value) or 0.0
    changed = first(fields, b"last-modified")
    life = lifetime(
        said,
        status,
        expires=expires,
        made=received_at if made is None else made,
        modified=None if changed is None else date_of(changed),
        ttl=rules.ttl,
    )
    old = first(fields, b"age")
    number = None if old is None else old.partition(b",")[0].strip()
    said_age = float(number[:10]) if number is not None and number.isdigit() else None
    found = freshness(
        said,
        status,
        life,
        initial_age=age_of(said_age, made, asked_at, received_at, rules.wall()),
        received_at=received_at,
        if_error=rules.if_error,
        while_revalidate=rules.while_revalidate,
    )
    return found, said, life


def plan(asked: Asked, reply: Reply, rules: Rules, times: tuple[float, float]) -> Meta | str:
    """The head of what is stored, or why it is not, in a word."""
    fields = reply.headers
    found, said, life = _freshness(fields, reply.status, rules, times)
    names = selecting_names(fields)
    facts = Facts(
        status=reply.status,
        directives=said,
        lifetime=life,
        no_store=asked.wanted.no_store,
        authorized=asked.authorized,
        varies_on_all=ANY in names,
        sets_cookie=any(has(fields, name) for name in _COOKIES),
        has_validator=bool(validators(fields)),
    )
    why = why_not_stored(facts, if_error=rules.if_error, while_revalidate=rules.while_revalidate)
    if why:
        return why
    if reply.upgraded is not None:
        return "upgrade"
    if not life.explicit and streams_events(fields):  # nobody expects an old one
        return "event-stream"
    if reply.until_close:
        return "no-length"
    if rules.max_object and (reply.length or 0) > rules.max_object:
        return "too-large"
    return Meta(
        status=reply.status,
        reason=reply.reason,
        fields=_kept(fields, said, rules),
        freshness=found,
        vary=[(name, selecting_value(asked.exchange.headers, name)) for name in names],
        owner=asked.owner,
        public=is_public(said),
        authorized=may_answer_authorized(said),
        labels=_labels(asked, fields, rules),
    )


def _kept(fields: RawHeaders, said: Directives, rules: Rules) -> Fields:
    """The fields that are stored: without Age, and without those that no-cache or private name."""
    dropped = {b"age"}
    for name in (b"no-cache", b"private"):
        if (named := said.get(name)) is not None:
            dropped.update(members(named.lower()))
    kept = [field for field in fields if field[0].lower() not in dropped]
    if not has(kept, b"date"):
        kept.append((b"Date", http_date()))
    return kept


def _labels(asked: Asked, fields: RawHeaders, rules: Rules) -> list[bytes]:
    """Digests of what the reply can be purged by."""
    exchange = asked.exchange
    labels = {label(b"route", rules.route), label(b"path", exchange.path.encode())}
    labels.add(label(b"path", _path(exchange.raw_target)))
    for name in _TAGS:
        for value in values(fields, name):
            tags = members(value) if name == b"cache-tag" else value.split()
            labels.update(
                label(b"tag", tag) for tag in tags[:_MOST_TAGS] if len(tag) < _LONGEST_TAG
            )
    return sorted(labels)


def label(kind: bytes, value: bytes) -> bytes:
    """What stands for a path, a route or a tag: ``kind`` is one of these words."""
    return stable_digest(kind, value)


def _path(target: bytes) -> bytes:
    return target.partition(b"?")[0]


def freshened(
    meta: Meta, fields: RawHeaders, rules: Rules, times: tuple[float, float]
) -> Meta | None:
    """The head after a 304 or a HEAD with these ``fields`` (RFC 9111 3.2, 4.3.4).

    None where what is stored may not be kept any longer.
    """
    updates = [
        field
        for field in fields
        if field[0].lower() not in _KEPT_BY_304 | {b"age", b"cache-status"}
    ]
    replaced = {name.lower() for name, _ in updates}
    merged = [field for field in meta.fields if field[0].lower() not in replaced] + updates
    aged = [*merged, *of_name(fields, b"age")]
    found, said, _ = _freshness(aged, meta.status, rules, times)
    if b"no-store" in said or (b"private" in said and said[b"private"] is None):
        return None
    return Meta(
        status=meta.status,
        reason=meta.reason,
        fields=_kept(merged, said, rules),
        freshness=found,
        vary=meta.vary,
        owner=meta.owner,
        public=is_public(said),
        authorized=may_answer_authorized(said),
        labels=meta.labels,
    )


class Recorder:
    """The source of a reply that is stored while it is read.

    What is cut, breaks or is given up is forgotten; what ends is stored.
    """

    __slots__ = ("_left", "_replaces", "_reply", "_size", "_writer")

    buffered: None = None

    def __init__(
        self, reply: Reply, writer: Writer, max_object: int, replaces: Sequence[bytes]
    ) -> None:
        """``replaces``: idents of the entries whose place it takes."""
        self._reply = reply
        self._writer: Writer | None = writer
        self._left = max_object or 1 << 62
        self._replaces = replaces
        self._size = 0

    async def read(self) -> bytes:
        """The next bytes, which are stored too."""
        data = await self._reply.read()
        writer = self._writer
        if writer is None:
            return data
        if data:
            self._size += len(data)
            if self._size > self._left or not writer.write(data):
                self._abort()
            return data
        length = self._reply.length
        if self._reply.last_trailers() or (length is not None and length != self._size):
            self._abort()
        else:
            self._writer = None
            writer.commit(self._replaces)
        return data

    def pause(self, *, paused: bool) -> None:
        """As the reply that it reads."""
        self._reply.pause(paused=paused)

    def close(self, ending: Ending) -> None:
        """Close the reply that it reads."""
        self._abort()
        self._reply.close(ending)

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
