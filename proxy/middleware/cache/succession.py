"""Which of the replies that are under way at the same time stays stored."""

from proxy.core.stored import Meta
from proxy.http.conditional import first
from proxy.http.date import date_of


def is_newer(stored: Meta, found: Meta, asked_at: float) -> bool:
    """Whether a stored reply is kept, not the one ``found``, which was asked for at ``asked_at``.

    By their dates (RFC 9111 4); of one second, by when they came. One that was there before and may
    not be used without asking gives way in any case: the clocks of servers differ.
    """
    old, new = stored.freshness, found.freshness
    made, came = _made(stored), old.received_at
    if came >= asked_at:
        return (made, came) > (_made(found), new.received_at)
    is_fresh = not old.always_validate and old.remaining(new.received_at) > 0
    return is_fresh and made > _made(found)


def _made(meta: Meta) -> float:
    """Its Date, in seconds since 1970; when it came where it has none, or one that is later."""
    value = first(meta.fields, b"date")
    made = None if value is None else date_of(value)
    came = meta.freshness.received_at
    return came if made is None else min(made, came)
