"""Which replies may be stored, and for whom (RFC 9111 3)."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from proxy.policy.freshness import HEURISTIC, Freshness, Lifetime, seconds

Directives: TypeAlias = Mapping[bytes, bytes | None]

_UNDERSTOOD: Final = frozenset(
    {
        *(200, 203, 204, 300, 301, 302, 303, 307, 308, 403, 404, 405, 410, 414, 451),
        *(500, 501, 502, 503, 504),
    }
)
"""Final statuses whose rules for caches are known and followed here (``must-understand``)."""
_NEVER: Final = frozenset(
    {
        *(206, 304, 401, 407, 421, 425),
        *(400, 406, 408, 411, 412, 413, 415, 416, 417, 426),
        *(428, 429, 431, 511),  # RFC 6585 forbids these
    }
)
"""Parts, answers to conditions, and statuses about who asked or how.

One client could have an error stored that is about its own request, such as a Range or a field that
is too long, and all others would get that. 414 is about the target, which is what it is stored by.
"""
_ERROR: Final = 500
_DOCUMENT: Final = 60.0
"""Seconds since the last change of what was not made for this request; many stamp "now"."""


class Facts(msgspec.Struct, frozen=True, gc=False):
    """Of a request and its reply, what decides whether it is stored."""

    status: int
    directives: Directives
    """Of the reply; of its targeted field where it has one."""
    lifetime: Lifetime
    no_store: bool
    """Whether the request says so."""
    authorized: bool
    """Whether the request has Authorization."""
    varies_on_all: bool
    """``Vary: *``."""
    sets_cookie: bool
    has_validator: bool


def why_not_stored(facts: Facts, *, if_error: float = 0.0, while_revalidate: float = 0.0) -> str:
    """In a word that Cache-Status and the log show; empty where it is stored.

    ``if_error``, ``while_revalidate``: what the options add, in seconds.
    """
    said = facts.directives
    if facts.no_store:
        return "request-no-store"
    if facts.status < 200 or facts.status in _NEVER:
        return "status"
    if why := forbidden(said, facts.status):
        return why
    if facts.varies_on_all:
        return "vary"
    if facts.authorized and not may_answer_authorized(said, public=is_public(said)):
        return "authorization"
    if facts.sets_cookie and not (facts.lifetime.explicit or is_public(said)):
        return "set-cookie"
    if not (facts.lifetime.explicit or b"public" in said or facts.status in HEURISTIC):
        return "status"
    if facts.has_validator or (facts.lifetime.seconds > 0 and not always_validates(said)):
        return ""
    outlives = not (must_revalidate(said) or always_validates(said)) and (
        seconds(said, b"stale-if-error") > 0
        or seconds(said, b"stale-while-revalidate") > 0
        or ((if_error > 0 or while_revalidate > 0) and facts.status < _ERROR)
    )
    return "" if outlives else "no-freshness"


def forbidden(said: Directives, status: int) -> str:
    """Which word of a reply keeps it, and what it confirms, from being stored; empty for none."""
    if b"must-understand" in said:  # then no-store is for caches that do not (RFC 9111 5.2.2.3)
        if status not in _UNDERSTOOD:
            return "must-understand"
    elif b"no-store" in said:
        return "no-store"
    return "private" if b"private" in said and said[b"private"] is None else ""


def freshness(
    said: Directives,
    status: int,
    life: Lifetime,
    *,
    initial_age: float,
    received_at: float,
    if_error: float = 0.0,
    while_revalidate: float = 0.0,
) -> Freshness:
    """What of a reply is stored beside it. What it says itself counts before the options.

    An error of the server is never used when it is stale, unless it says so itself.
    """
    if status >= _ERROR:
        if_error = while_revalidate = 0.0
    if b"stale-if-error" in said:
        if_error = seconds(said, b"stale-if-error")
    if b"stale-while-revalidate" in said:
        while_revalidate = seconds(said, b"stale-while-revalidate")
    return Freshness(
        received_at=received_at,
        initial_age=initial_age,
        lifetime=life.seconds,
        must_revalidate=must_revalidate(said),
        always_validate=always_validates(said),
        while_revalidate=while_revalidate,
        if_error=if_error,
        immutable=b"immutable" in said,
    )


def stays(
    said: Directives,
    status: int,
    life: Lifetime,
    *,
    age: float,
    unchanged: float,
    follows: bool = False,
) -> bool:
    """Whether an error says that asking again at once is of no use.

    It does if it is fresh for a while by its own word, or a document that has not changed for a
    while, such as a maintenance page; unless it may not be kept for others (RFC 9111 5.2.2).
    One that says nothing of it is taken for the same as one that said so a moment ago.
    ``age``: when it came; ``unchanged``: seconds since its Last-Modified, 0 where it has none;
    ``follows``: whether one of this status, for the same target, said so a moment ago.
    """
    if forbidden(said, status) or always_validates(said):
        return False
    if unchanged > _DOCUMENT:
        return True
    return life.seconds > age if life.explicit else follows


def must_revalidate(said: Directives) -> bool:
    """Whether a stale one may never be used (RFC 9111 5.2.2.2, .8, .10)."""
    return b"must-revalidate" in said or b"proxy-revalidate" in said or b"s-maxage" in said


def always_validates(said: Directives) -> bool:
    """Whether no-cache is said of the whole reply."""
    return b"no-cache" in said and said[b"no-cache"] is None


def is_public(said: Directives) -> bool:
    """Whether a reply is for everybody, credentials or cookies in the request or not.

    An s-maxage without a number says nothing so far-reaching.
    """
    if b"public" in said:
        return True
    return b"s-maxage" in said and (said[b"s-maxage"] or b"").isdigit()


def may_answer_authorized(said: Directives, *, public: bool) -> bool:
    """Whether it may answer requests with Authorization (RFC 9111 3.5).

    ``public``: what ``is_public`` says.
    """
    return public or b"must-revalidate" in said
