"""From a reply to a stored one: whether it is stored, and its head (RFC 9111 3)."""

from typing import Any, Final, TypeAlias

from proxy.core.cache_options import CacheOptions
from proxy.core.clock import Clock
from proxy.core.reply import Reply
from proxy.core.stored import Meta
from proxy.http.bounded_cache import Memo
from proxy.http.cache_control import (
    OF_ONE_CLIENT,
    Directives,
    cache_directives,
    delta_seconds,
    targeted,
)
from proxy.http.codings import codings
from proxy.http.date import date_of, http_date
from proxy.http.fields import RawHeaders, first, of_name, values, without
from proxy.http.grammar import members
from proxy.http.sse import of_events, streams_events
from proxy.http.vary import ANY, MOST, selecting_names
from proxy.middleware.cache.asked import Asked, kept_value
from proxy.middleware.cache.labels import label, labels_of, tag_labels
from proxy.middleware.cache.succession import may_freshen
from proxy.policy.freshness import Freshness, Lifetime, lifetime
from proxy.policy.freshness import initial_age as age_of
from proxy.policy.storing import (
    Facts,
    forbidden,
    freshness,
    is_public,
    may_answer_authorized,
    stays,
    why_not_stored,
)

_KEPT_BY_304: Final = frozenset(
    b"""content-digest content-encoding content-length content-md5 content-range""".split()
)
"""What a 304 does not change: it is about the bytes that are stored (RFC 9111 3.2)."""
_MOST_LABELS: Final = 1_000
"""Of one reply; one with more is not stored, since what removes by one of them has to find it."""
_NOT_KEPT: Final = _KEPT_BY_304 | OF_ONE_CLIENT | {b"age", b"cache-status"}

_READ: Final = frozenset(
    b"""age cache-control cache-tag content-encoding content-range content-type date etag expires
    last-modified set-cookie set-cookie2 surrogate-key vary""".split()
)
"""Fields of a reply that are looked at."""
_DIRECTIVES: Final = Memo(lambda line: cache_directives((line,)), 512)
"""Of a field that is one line; an API sends few different ones."""

_NOTHING: Final[list[Any]] = []
"""What most replies vary on, and their pace: one list for all of them, which nobody changes. The
collector looks at each list that an entry has of its own."""

Found: TypeAlias = dict[bytes, list[bytes]]
"""The values of the fields that are looked at, by their names in lower case."""


class Rules:
    """The options, and what does not change between two replies."""

    __slots__ = (
        "_names",
        "if_error",
        "max_object",
        "paced",
        "route_label",
        "targets",
        "ttl",
        "upstream",
        "wall",
        "while_revalidate",
    )

    def __init__(self, options: CacheOptions, route: str, wall: Clock, upstream: str = "") -> None:
        """``wall``: the time of day, which Date is compared with."""
        self.upstream = upstream.encode()
        self.ttl = float(options.ttl)
        self.while_revalidate = float(options.stale_while_revalidate)
        self.if_error = float(options.stale_if_error)
        self.max_object = options.max_object
        self.paced = options.replay == "paced"
        self.targets = tuple(name.lower().encode() for name in options.targets)
        self.route_label = label(b"route", route.encode())
        self.wall = wall
        read = _READ | set(self.targets)
        self._names = Memo(lambda name: low if (low := name.lower()) in read else b"", 2048)

    def find(self, fields: RawHeaders) -> Found:
        """The fields that are looked at, in one pass."""
        found: Found = {}
        names = self._names
        for name, value in fields:
            if low := names[name]:
                if low in found:
                    found[low].append(value)
                else:
                    found[low] = [value]
        return found

    def said_by(self, found: Found) -> tuple[Directives, bool]:
        """The directives that count, and whether they are of a targeted field (RFC 9213 2.2)."""
        for name in self.targets:
            if name in found:
                aimed = targeted([(name, value) for value in found[name]], (name,))
                if aimed is not None:
                    return aimed, True
        lines = found.get(b"cache-control", ())
        return (_DIRECTIVES[lines[0]] if len(lines) == 1 else cache_directives(lines)), False


def _date(found: Found, name: bytes) -> float | None:
    return date_of(found[name][0]) if name in found else None


def _freshness(
    found: Found, status: int, rules: Rules, times: tuple[float, float]
) -> tuple[Freshness, Directives, Lifetime]:
    """With the directives that count, and how long the reply is fresh.

    ``times``: when it was asked for, and when it came.
    """
    said, aimed = rules.said_by(found)
    asked_at, received_at = times
    made = _date(found, b"date")
    expires: float | None = None
    if not aimed and b"expires" in found:
        expires = _date(found, b"expires") or 0.0
    life = lifetime(
        said,
        status,
        expires=expires,
        made=received_at if made is None else made,
        modified=_date(found, b"last-modified"),
        ttl=rules.ttl,
    )
    old = found[b"age"][0] if b"age" in found else None
    said_age = None if old is None else delta_seconds(old.partition(b",")[0].strip(b" \t"))
    fresh = freshness(
        said,
        status,
        life,
        initial_age=age_of(said_age, made, asked_at, received_at, rules.wall()),
        received_at=received_at,
        if_error=rules.if_error,
        while_revalidate=rules.while_revalidate,
    )
    return fresh, said, life


def lasts(reply: Reply, rules: Rules, now: float, *, follows: bool) -> bool:
    """Whether an error is what the upstream means to answer, see ``policy/storing.stays``."""
    found = rules.find(reply.headers)
    fresh, said, life = _freshness(found, reply.status, rules, (now, now))
    modified = _date(found, b"last-modified")
    unchanged = 0.0 if modified is None else rules.wall() - modified
    return stays(
        said, reply.status, life, age=fresh.initial_age, unchanged=unchanged, follows=follows
    )


def plan(
    asked: Asked, reply: Reply, rules: Rules, times: tuple[float, float], limit: int = 0
) -> Meta | str:
    """The head of what is stored, or why it is not, in a word.

    ``limit``: bytes of the longest body that is; 0 for any.
    """
    found = rules.find(reply.headers)
    fresh, said, life = _freshness(found, reply.status, rules, times)
    names = selecting_names(found[b"vary"]) if b"vary" in found else []
    facts = Facts(
        status=reply.status,
        directives=said,
        lifetime=life,
        no_store=asked.wanted.no_store,
        authorized=asked.authorized,
        varies_on_all=ANY in names,
        sets_cookie=b"set-cookie" in found or b"set-cookie2" in found,
        has_validator=b"etag" in found or _date(found, b"last-modified") is not None,
    )
    why = why_not_stored(facts, if_error=rules.if_error, while_revalidate=rules.while_revalidate)
    if why:
        return why
    if reply.upgraded is not None:
        return "upgrade"
    if asked.ranged and b"content-range" in found:  # a part, whatever its status says
        return "status"
    posted = asked.exchange.method == "POST"
    if posted and reply.status != 200:
        return "status"
    if not (life.explicit or posted) and streams_events(reply.headers):
        return "event-stream"  # nobody expects an old one
    if b"content-encoding" in found and of_events(reply.headers) and codings(reply.headers):
        return "event-stream"  # nobody can see whether it came to its end
    if reply.until_close:
        return "no-length"
    if (reply.length or 0) > limit > 0:
        return "too-large"
    public, request = is_public(said), asked.exchange.headers
    labels = asked.labels or labels_of(asked.exchange, rules.route_label, rules.upstream)
    if b"cache-tag" in found or b"surrogate-key" in found:
        labels = [*labels, *tag_labels(found)]
        if len(labels) > _MOST_LABELS:
            return "too-many-tags"
    return Meta(
        status=reply.status,
        reason=reply.reason,
        fields=_kept(reply.headers, found, said),
        freshness=fresh,
        vary=tuple([(name, kept_value(request, name)) for name in names]) if names else (),
        owner=asked.owner,
        public=public,
        authorized=may_answer_authorized(said, public=public),
        labels=tuple(labels),
        pace=[] if rules.paced else _NOTHING,
    )


def _kept(fields: RawHeaders, found: Found, said: Directives) -> tuple[tuple[bytes, bytes], ...]:
    """The fields that are stored: without Age, and without those that no-cache or private name."""
    kept = fields
    dropped = {b"age"} if b"age" in found else set()
    for name in (b"no-cache", b"private"):
        if name in said and (named := said[name]) is not None:
            dropped.update(members(named.lower()))
    if dropped:
        kept = [field for field in kept if field[0].lower() not in dropped]
    if b"date" not in found or b"date" in dropped:
        kept = [*kept, (b"Date", http_date())]
    return tuple(kept)


def freshened(
    meta: Meta, asked: Asked, fields: RawHeaders, rules: Rules, times: tuple[float, float]
) -> Meta | None:
    """The head after a 304 or a HEAD with these ``fields`` (RFC 9111 3.2, 4.3.4).

    What they say to the client that asked, such as Set-Cookie, is not for others (RFC 9111 7.3).
    None where what is stored may not be kept any longer.
    """
    vary = _selected(meta, asked, fields)
    if vary is None:
        return None
    updates = [field for field in fields if field[0].lower() not in _NOT_KEPT]
    tag, own = first(updates, b"etag"), first(meta.fields, b"etag")
    is_strong = tag is not None and tag[:2] not in (b"W/", b"w/")
    if own is not None or is_strong:
        updates = without(updates, b"etag")  # a strong one names bytes, maybe not these (4.3.4)
    if not is_strong or tag != own:
        updates = without(updates, b"last-modified")  # so does If-Range by what stands there
    # Without a Date it counts from when it came (RFC 9110 6.6.1).
    replaced = {b"date", *(name.lower() for name, _ in updates)}
    merged = [field for field in meta.fields if field[0].lower() not in replaced] + updates
    aged = [*merged, *of_name(fields, b"age")]
    found = rules.find(aged)
    fresh, said, _ = _freshness(found, meta.status, rules, times)
    if forbidden(said, meta.status) or not may_freshen(meta, asked, said):
        return None
    if not tag_labels(found).issubset(meta.labels):
        return None  # a purge finds it by the labels that it was stored with, and not by new ones
    public = is_public(said)
    return Meta(
        status=meta.status,
        reason=meta.reason,
        fields=_kept(merged, found, said),
        freshness=fresh,
        vary=vary,
        owner=meta.owner,
        public=public,
        authorized=may_answer_authorized(said, public=public),
        labels=meta.labels,
        pace=meta.pace,
    )


def _selected(
    meta: Meta, asked: Asked, fields: RawHeaders
) -> tuple[tuple[bytes, bytes | None], ...] | None:
    """What selects an entry after the ``fields`` of a 304 or a HEAD; None where nothing does.

    A 304 says that the entry answers ``asked``, so that has the values of new names. The reply to
    a HEAD says nothing of the request whose reply is stored.
    """
    names = selecting_names(values(fields, b"vary"))
    known = {name for name, _ in meta.vary}
    new = [name for name in names if name not in known]
    if ANY in new or (new and asked.exchange.method == "HEAD") or len(known) + len(new) > MOST:
        return None
    request = asked.exchange.headers
    return (*meta.vary, *((name, kept_value(request, name)) for name in new))
