"""Stale entries as answers where the upstream fails: stale-if-error (RFC 5861 4).

A failure is an error of the upstream, a status that says that it fails, or the end of the time that
the request has. ``policy/freshness`` has the bounds within which an entry may stand in for it.
"""

from collections.abc import Callable, Sequence

from proxy.core.clock import Clock
from proxy.core.errors import ProxyError
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.stored import Entry, Store
from proxy.middleware.cache.asked import Asked, asked_by
from proxy.middleware.cache.awaited import Awaited
from proxy.middleware.cache.counted_answers import CountedAnswers
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.lookup import LOST, find
from proxy.policy.freshness import usable_on_error


class StaleIfError:
    """Answers from a stale entry in the place of a failure."""

    __slots__ = ("_answers", "_covered", "_failing", "_key_of", "_now", "_store")

    def __init__(
        self,
        store: Store,
        key_of: Callable[[Exchange, Sequence[bytes]], bytes],
        answers: CountedAnswers,
        failing: ExpiringKeys,
        covered: Callable[[Exchange, ProxyError], str],
        *,
        now: Clock,
    ) -> None:
        """``key_of``: as ``Asked`` has it. ``now``: the time of what is stored.

        ``failing`` gets the keys for which the upstream has failed; ``covered`` logs a failure.
        """
        self._store = store
        self._key_of = key_of
        self._answers = answers
        self._failing = failing
        self._covered = covered
        self._now = now

    async def answer(
        self,
        asked: Asked,
        entry: Entry | None,
        reason: str,
        failure: ProxyError | None,
        status: str = "",
    ) -> Reply | None:
        """The answer in the place of a failure; None if no entry may stand in for it.

        ``entry``: what was validated. ``reason``: why the upstream was asked: if the store was late
        then (LOST), it is asked again. ``failure``: to be logged; None if it has been. ``status``:
        ``; fwd-status=`` and the status that failed, for Cache-Status.
        """
        if entry is None and reason == LOST:
            entry, _ = await find(self._store, asked, self._now)
        if entry is None:
            return None
        return await self._stand_in(asked, Awaited(entry), reason, failure, status)

    def keep_at_hand(self, asked: Asked, entry: Entry, reason: str) -> None:
        """Note in the record that this entry may be the answer when the request's time is over.

        ``reason``: why the upstream is asked, as Cache-Status says it.
        """
        if not usable_on_error(entry.meta.freshness, asked.wanted, self._now()):
            return
        stand_in, key_of, content = self._stand_in, self._key_of, asked.content

        async def late(exchange: Exchange, error: ProxyError) -> Reply | None:
            return await stand_in(asked_by(exchange, key_of, content), entry, reason, error)

        asked.exchange.record.at_hand = late  # which holds no exchange: it would hold itself

    async def _stand_in(
        self, asked: Asked, entry: Entry, reason: str, failure: ProxyError | None, status: str = ""
    ) -> Reply | None:
        """As ``answer``, from this entry; None if it is too old or its body is lost."""
        now, stored = self._now(), entry.meta.freshness
        if not usable_on_error(stored, asked.wanted, now):
            return None
        words = f"fwd={reason}{status}; ttl={int(stored.remaining(now))}; detail=stale-if-error"
        found = await self._answers.from_entry(asked, entry, now, words, "stale")
        if found is None:
            return None
        self._failing.add(asked.own_key)
        asked.exchange.error = ""
        if failure is not None:
            self._covered(asked.exchange, failure)
        return found
