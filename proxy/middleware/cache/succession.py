"""Which of the replies that are under way at the same time stays stored."""

from typing import Final

from proxy.core.reply import Reply
from proxy.core.stored import Entry, Meta
from proxy.http.cache_control import Directives
from proxy.http.date import date_of
from proxy.http.fields import first
from proxy.middleware.cache.asked import Asked
from proxy.policy.storing import is_public, may_answer_authorized

_OF_THE_TARGET: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
"""Statuses that say what has become of what was asked for, not of who asked or how."""
_OF_THE_STORE: Final = frozenset({"fallback", "not-kept", "error"})


def is_newer(stored: Meta, found: Meta, asked_at: float, now: float) -> bool:
    """Whether a stored reply is kept, not the one ``found``, which was asked for at ``asked_at``.

    By their dates (RFC 9111 4); of one second, by when they came. One that was there before and may
    not be used without asking gives way in any case: the clocks of servers differ. So does one that
    is still to come ``now``: the clock has been set back since it was stored.
    """
    old, new = stored.freshness, found.freshness
    if old.is_of_the_future(now):
        return False
    dated, came = made(stored), old.received_at
    if came >= asked_at:
        return (dated, came) > (made(found), new.received_at)
    is_fresh = not old.always_validate and old.remaining(new.received_at) > 0
    return is_fresh and dated > made(found)


def is_withdrawn(asked: Asked, stored: Entry, reply: Reply, why: str) -> bool:
    """Whether an entry that was to be validated is the answer no more, though no other one is.

    ``why`` the full reply is not stored. What it says to this client alone says nothing of others.
    """
    if why in _OF_THE_STORE or reply.status not in _OF_THE_TARGET or asked.authorized:
        return False
    return speaks_of(asked, stored)


def speaks_of(asked: Asked, stored: Entry) -> bool:
    """Whether what this client is told counts for all who are given the entry.

    A client with credentials of its own could take from others what they are given.
    """
    meta = stored.meta
    return not ((asked.owner and meta.public) or (asked.authorized and meta.authorized))


def may_freshen(stored: Meta, asked: Asked, said: Directives) -> bool:
    """Whether a 304 or a HEAD makes an entry fresh for all who are given it.

    What is said to a client with credentials does so only where a whole reply that says the same
    would be stored for the others too (RFC 9111 3.5). ``said``: what the entry would say then.
    """
    public = is_public(said)
    if public != stored.public and (stored.owner or asked.owner):  # it stands under another key
        return False
    return not asked.authorized or may_answer_authorized(said, public=public)


def made(meta: Meta) -> float:
    """Its Date, in seconds since 1970; when it came where it has none, or one that is later."""
    value = first(meta.fields, b"date")
    said = None if value is None else date_of(value)
    came = meta.freshness.received_at
    return came if said is None else min(said, came)
