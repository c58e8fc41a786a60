"""Finds the entry that may answer a request."""

from collections.abc import Sequence
from typing import Final

from proxy.core.clock import Clock
from proxy.core.stored import Entry, Store
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.succession import made
from proxy.policy.freshness import Use, reuse, usable_on_error

_RANKS: Final = {Use.FRESH: 3, Use.STALE: 2, Use.REFRESH: 2}
"""The more, the better an entry is: it may be used, while the server is asked, or if that fails."""


async def find(store: Store, asked: Asked, clock: Clock) -> tuple[Entry | None, Sequence[Entry]]:
    """The entry that counts, and all that were looked at.

    What everybody may have stands under one key, what is its owner's alone under another. Of two
    that fit, the one that may be used is the answer; else the one with the later Date (RFC 9111 4).
    """
    entries = await store.get(asked.key)
    if not asked.owner:
        for each in entries:
            if asked.takes(each):
                return each, entries
        return None, entries
    own, now = await store.get(asked.own_key), clock()
    known = [each for each in (_taken(asked, own), _taken(asked, entries)) if each is not None]
    best = max(known, key=lambda each: _rank(asked, each, now)) if known else None
    return best, [*entries, *own]


def _taken(asked: Asked, entries: Sequence[Entry]) -> Entry | None:
    for each in entries:
        if asked.takes(each):
            return each
    return None


def _rank(asked: Asked, entry: Entry, now: float) -> tuple[int, float]:
    use = reuse(entry.meta.freshness, asked.wanted, now)
    rank = _RANKS.get(use) or int(usable_on_error(entry.meta.freshness, asked.wanted, now))
    return rank, made(entry.meta)
