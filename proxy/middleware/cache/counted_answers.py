"""What clients get, as it counts and as Cache-Status and the log say it (RFC 9211)."""

from collections import Counter

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.stored import Entry
from proxy.middleware.cache.answers import answer, begun, body_size
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.shown import STATUS


class CountedAnswers:
    """Gives answers and counts them."""

    __slots__ = ("_counts", "_now")

    def __init__(self, counts: Counter[str], now: Clock) -> None:
        """``now``: the time of what is stored, see ``core/clock.never_back``."""
        self._counts = counts
        self._now = now

    async def from_entry(
        self, asked: Asked, entry: Entry, now: float, words: str, kind: str
    ) -> Reply | None:
        """The answer from an entry, counted under ``kind``; None if the store has lost its body.

        ``now``: for its age. ``words``: the parameters of Cache-Status.
        """
        found = answer(asked, entry, now, words, self._now)
        if not await begun(found, entry):
            return None
        asked.exchange.record.cache = words
        self._counts[kind] += 1
        self._counts["hit_bytes"] += body_size(found, entry)
        return found

    def from_upstream(self, exchange: Exchange, reply: Reply) -> Reply:
        """A reply of the upstream for one of the clients that share it, with its own Cache-Status.

        The record of the exchange gets that too.
        """
        name, value = reply.headers[-1]
        if name is not STATUS:  # a 304 to a condition of the client's own, shared or not
            return reply
        if exchange.record.coalesced:
            self._counts["collapsed"] += 1
            value = value.replace(b"; stored", b"") + b"; collapsed"
            reply.headers = [*reply.headers[:-1], (STATUS, value)]
        exchange.record.cache = value.partition(b"; ")[2].decode()
        return reply
