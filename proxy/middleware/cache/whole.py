"""A reply that is here already, on its way into the store."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from proxy.core.reply import Reply
from proxy.core.stored import Meta, Store
from proxy.http.event_ends import ends_well
from proxy.http.sse import streams_events

_HEADS: Final = 1 << 20
"""Bytes beside which no head counts: what a bound is above the longest body has room for any."""


def longest(store: Store, meta: Meta, most: int) -> int:
    """Bytes of the longest body that is stored beside this head; 0 for any, -1 for none.

    ``most``: of the longest that shall be, 0 for any.
    """
    bound = store.max_size
    if not bound or 0 < most <= bound - _HEADS:
        return most
    room = max(store.room_beside(meta), 0) or -1
    return min(room, most) if most else room


async def store_whole(
    keep: Callable[[bytes, Sequence[bytes]], bool],
    reply: Reply,
    whole: bytes,
    limit: int,
    place: Callable[[], Awaitable[Sequence[bytes] | None]],
) -> str:
    """Store a reply that is here already; why not, in a word. ``keep``: see ``Store.keep``."""
    if limit and len(whole) > limit:
        return "too-large"
    if streams_events(reply.headers) and not ends_well(whole):
        return "event-stream"
    if reply.trailers is not None and reply.trailers():
        return "trailers"
    if (replaces := await place()) is None:
        return "superseded"
    return "" if keep(whole, replaces) else "not-kept"
