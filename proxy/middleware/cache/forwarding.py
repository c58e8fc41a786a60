"""What the store cannot answer is asked of the upstream; what came of that is each client's answer.

Requests that ask at the same time share one call of ``Fetcher``. ``Cache`` says what may follow.
"""

from collections import Counter
from functools import partial

from proxy.core.clock import Clock
from proxy.core.errors import UpstreamError
from proxy.core.exchange import Handler
from proxy.core.outcome import Verdict, refusal, verdict
from proxy.core.reply import Ending, Reply
from proxy.core.sharing import Sharing
from proxy.core.stored import Entry, Store
from proxy.middleware.cache.answers import with_own
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.counted_answers import CountedAnswers
from proxy.middleware.cache.fetching import Fetcher, is_confirming, told
from proxy.middleware.cache.leasing import entry_of
from proxy.middleware.cache.lookup import LOST
from proxy.middleware.cache.stale_if_error import StaleIfError
from proxy.middleware.cache.validating import with_age
from proxy.policy.freshness import Freshness


class Forwarding:
    """Asks the upstream on behalf of one request or of several equal ones."""

    __slots__ = (
        "_answers",
        "_clock",
        "_counts",
        "_fetcher",
        "_inner",
        "_now",
        "_sharing",
        "_stale_if_error",
        "_store",
    )

    def __init__(
        self,
        sharing: Sharing,
        fetcher: Fetcher,
        store: Store,
        answers: CountedAnswers,
        stale_if_error: StaleIfError,
        *,
        counts: Counter[str],
        now: Clock,
        clock: Clock,
    ) -> None:
        """``now``: the time of what is stored, see ``core/clock.never_back``."""
        self._sharing = sharing
        self._inner: Handler = sharing.inner
        self._fetcher = fetcher
        self._store = store
        self._answers = answers
        self._stale_if_error = stale_if_error
        self._counts = counts
        self._now = now
        self._clock = clock

    async def ask(self, asked: Asked, entry: Entry | None, reason: str) -> Reply:
        """The upstream's answer, or that of a stale entry if the upstream fails.

        ``entry``: what is validated. ``reason``: why the store has no answer (RFC 9211 2.2).
        """
        exchange = asked.exchange
        exchange.suffices = self._fetcher.suffices(asked, entry)
        before = None if entry is None else entry.meta.freshness  # which a 304 changes
        asked_at = (self._now(), self._clock()) if exchange.method == "HEAD" else (0.0, 0.0)
        try:
            if exchange.method == "HEAD":
                reply = told(await self._inner(exchange), f"fwd={reason}; detail=head")
            else:
                reply = await self._shared(asked, entry, reason)
        except UpstreamError as error:
            stale = await self._stale_if_error.answer(asked, entry, reason, error)
            if stale is None:
                self._counts["misses"] += 1
                raise
            return stale
        if (found := entry_of(reply)) is not None:
            return await self._from_elsewhere(asked, found, reason)
        if (entry is not None or reason == LOST) and (
            exchange.error or verdict(reply) in (Verdict.OVERLOADED, Verdict.FAILED)
        ):
            failure = None if exchange.error else refusal(reply, exchange)
            status = f"; fwd-status={reply.status}"
            try:
                stale = await self._stale_if_error.answer(asked, entry, reason, failure, status)
            except BaseException:  # its client leaves
                reply.drop()
                raise
            if stale is not None:
                reply.close(Ending.ABANDONED)
                return stale
        elif entry is not None:
            if exchange.method == "HEAD":
                try:
                    await self._fetcher.learn(asked, entry, reply, asked_at)
                except BaseException:  # its client leaves
                    reply.drop()
                    raise
            elif is_confirming(exchange, entry, reply):
                return await self._validated(asked, entry, reply, reason, before=before)
        self._counts["misses"] += 1
        return self._answers.from_upstream(exchange, reply)

    async def refresh(self, asked: Asked, entry: Entry) -> Reply:
        """Validate an entry for which no client waits."""
        asked.exchange.suffices = self._fetcher.suffices(asked, None)  # it may be tried again
        return await self._shared(asked, entry, "stale")

    async def _shared(
        self, asked: Asked, entry: Entry | None, reason: str, *, alone: bool = False
    ) -> Reply:
        """The reply of the call that equal requests share, for the same entry.

        ``alone``: this process waits for no other one.
        """
        send = partial(self._fetcher.fetch, asked, entry, reason, alone=alone)
        mark = asked.key + self._fetcher.mark(asked) + (b"alone" if alone else b"")
        mark += b"" if entry is None else entry.ident
        reply = await self._sharing.share(asked.exchange, send, mark, asked.content)
        return await send(asked.exchange, alone=True) if reply is None else reply

    async def _from_elsewhere(self, asked: Asked, entry: Entry, reason: str) -> Reply:
        """From an entry that another process has stored while this request waited for it."""
        if asked.takes(entry):  # else it differs in what does not tell calls apart
            asked.exchange.record.coalesced = True
            words = f"fwd={reason}; fwd-status={entry.meta.status}; collapsed"
            found = await self._answers.from_entry(asked, entry, self._now(), words, "collapsed")
            if found is not None:
                return found
        return await self._alone(asked, reason)

    async def _alone(self, asked: Asked, reason: str) -> Reply:
        """From the upstream, where an entry turns out to be of no use; for a crowd in one call."""
        self._counts["misses"] += 1
        record = asked.exchange.record
        exchange, status = asked.exchange, str(record.reply_status)
        record.log_last(status, exchange.asked_at, self._clock(), exchange.body)
        record.coalesced = False
        reply = await self._shared(asked, None, reason, alone=True)
        return self._answers.from_upstream(asked.exchange, reply)

    async def _validated(
        self, asked: Asked, entry: Entry, reply: Reply, reason: str, *, before: Freshness | None
    ) -> Reply:
        """From the entry that the upstream has confirmed; it has other fields now.

        ``before``: how fresh it was when it was asked about.
        """
        reply.close(Ending.COMPLETE)
        entries = await self._store.get(asked.key_for(entry.meta))
        current = next((each for each in entries if each.ident == entry.ident), entry)
        words = f"fwd={reason}; fwd-status=304"
        if asked.exchange.record.coalesced:
            words += "; collapsed"
        found = await self._answers.from_entry(asked, current, self._now(), words, "revalidated")
        if found is None:
            return await self._alone(asked, LOST)
        if current.meta.freshness == before:  # the 304 is not stored
            now, sent_at = self._now(), asked.exchange.record.sent_at
            since = now if sent_at is None else now - (self._clock() - sent_at)
            found = with_age(found, reply.headers, since, now)
        return found if asked.exchange.record.coalesced else with_own(found, reply.headers)
