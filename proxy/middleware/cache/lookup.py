"""Finds the entry that may answer a request."""

from collections.abc import Sequence
from typing import Final

from proxy.core.clock import Clock
from proxy.core.stored import NOT_KNOWN, UNANSWERED, Entry, Store
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.succession import made
from proxy.policy.freshness import Use, reuse, usable_on_error
from proxy.policy.key_changes import Changes

NOTHING_STORED: Final = "uri-miss"
"""Why a request is forwarded whose target has no entry at all (RFC 9211 2.2)."""
LOST: Final = "miss"
"""The same where the store does not say what it has, or has lost the body of what was found."""
_RANKS: Final = {Use.FRESH: 3, Use.STALE: 2, Use.REFRESH: 2}
"""The more, the better an entry is: it may be used, while the server is asked, or if that fails."""


async def find(store: Store, asked: Asked, clock: Clock) -> tuple[Entry | None, str]:
    """The entry that counts; or None, and why the request is forwarded.

    What everybody may have stands under one key, what is its owner's alone under another. Of two
    that fit, the one that may be used is the answer; else the one with the later Date (RFC 9111 4).
    """
    entries = await store.get(asked.key)
    own: Sequence[Entry] = ()
    if asked.owner and entries is not NOT_KNOWN and entries is not UNANSWERED:
        own, now = await store.get(asked.own_key), clock()
        known = [each for each in (_taken(asked, own), _taken(asked, entries)) if each is not None]
        if known:
            return max(known, key=lambda each: _rank(asked, each, now)), ""
    else:
        for each in entries:
            if asked.takes(each):
                return each, ""
    for found in (entries, own):
        if found is NOT_KNOWN or found is UNANSWERED:
            asked.unanswered = found is UNANSWERED
            return None, LOST
    return None, "vary-miss" if entries or own else NOTHING_STORED


def is_outdated(changes: Changes, asked: Asked, since: int) -> bool:
    """Whether a call has ended since a look-up began at this moment, which may have seen nothing of
    its reply. It is shared by nobody any more, so that the upstream would be asked once more.
    """
    return changes.may_have_stored(asked.key, since) or changes.may_have_stored(
        asked.own_key, since
    )


def _taken(asked: Asked, entries: Sequence[Entry]) -> Entry | None:
    for each in entries:
        if asked.takes(each):
            return each
    return None


def _rank(asked: Asked, entry: Entry, now: float) -> tuple[int, float]:
    use = reuse(entry.meta.freshness, asked.wanted, now)
    rank = _RANKS.get(use) or int(usable_on_error(entry.meta.freshness, asked.wanted, now))
    return rank, made(entry.meta)
