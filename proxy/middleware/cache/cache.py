"""Answers requests from stored replies: a shared cache of HTTP (RFC 9111, RFC 5861).

How it works. A GET or HEAD is looked up under its key: upstream, scheme, Host, target, what else
names the address, and what the route changes about fields (``Keys``). Of the entries under the key
the last one counts that `Vary` and the owner let answer this request (``Asked.takes``).
`policy/freshness` says what may be done with it:

- fresh, or stale and the client takes that: it is the answer;
- stale, within stale-while-revalidate: it is the answer, and one task asks the upstream for all;
- otherwise the upstream is asked, with the validators of the entry, and the tags of the client.

Requests that ask at the same time share one call, by the key and the rules of `[coalesce]`
(``Sharing``). The call is ``_fetch``. What comes of it:

- 304 to our validators: the entry gets the new fields, and each client is answered from it;
- an error, or a status that says that the server fails: a stale entry is the answer, within
  stale-if-error, and the upstream is left alone for a second;
- any other reply goes to the clients. If it may be stored (`policy/storing`), `StoredWhileRead`
  stores it while it is read. It becomes visible with its last byte; what is cut is forgotten.

Every reply says in Cache-Status what the cache did, and why it was not stored (RFC 9211).

One idea: what a stored reply answers, and what it stands in for.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

from proxy.core.cache_options import CacheOptions
from proxy.core.clock import Clock, never_back, wall
from proxy.core.errors import NotCached, ProxyError, UpstreamError
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import Verdict, refusal, verdict
from proxy.core.reply import Ending, Reply
from proxy.core.samples import Counts, Sample, gauge
from proxy.core.scope import Scope
from proxy.core.sharing import Sharing
from proxy.core.stored import Entry, Store
from proxy.http.cache_control import cache_directives
from proxy.http.fields import values
from proxy.middleware.cache.answers import (
    answer,
    begun,
    body_size,
    fresh_answer,
    with_own,
)
from proxy.middleware.cache.asked import Asked, asked_by, content_of
from proxy.middleware.cache.awaited import Awaited
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.fetching import Fetcher, is_confirming, told
from proxy.middleware.cache.filling import Rules
from proxy.middleware.cache.keying import Keys
from proxy.middleware.cache.leasing import Leases, entry_of
from proxy.middleware.cache.lookup import LOST, find, is_outdated
from proxy.middleware.cache.problems import LOOKED_UP
from proxy.middleware.cache.refreshing import Refresher
from proxy.middleware.cache.shown import STATUS, Shown
from proxy.middleware.cache.validating import with_age
from proxy.middleware.cache.writes import writes_of
from proxy.policy.freshness import ANYTHING, Freshness, Use, reuse, usable_on_error

_COUNTED: Final = (
    *("hits", "stale", "revalidated", "misses", "collapsed", "stored", "hit_bytes", "lease_waits"),
    "hit_age_seconds",
)


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where there is ``[cache]``. It asks below the coalescer, which shares its calls."""
    options = scope.find(CacheOptions)
    shared = scope.shared
    if options is None or scope.sharing is None or shared.store is None:
        return None
    shared.watch(shared.store)
    counts = shared.share(("cache", scope.identity), partial(Counts, "cache", *_COUNTED))
    shared.watch(counts, route=scope.route)
    made = Cache(scope.sharing, options, shared.store, scope, counts=counts, clock=shared.clock)
    shared.watch(made, route=scope.route)
    return made.handle


class Cache:
    """Answers from the store where it may."""

    __slots__ = (
        "_clock",
        "_covered",
        "_failing",
        "_fetcher",
        "_inner",
        "_keys",
        "_now",
        "_post",
        "_refresher",
        "_sharing",
        "_store",
        "_writes",
        "counts",
    )

    def __init__(
        self,
        sharing: Sharing,
        options: CacheOptions,
        store: Store,
        scope: Scope,
        *,
        counts: Counter[str],
        clock: Clock,
        time_of_day: Clock | None = None,
    ) -> None:
        self._sharing = sharing
        self._inner = sharing.inner
        self._clock, self._covered = clock, scope.covered
        self._store = store
        self._now = now = never_back(time_of_day, clock) if time_of_day else store.now
        self._post = options.post
        rules = Rules(options, scope.route, time_of_day or wall, scope.main_upstream)
        self.counts = counts
        self._keys = Keys(scope.main_upstream, scope.field_changes)
        self._writes = writes_of(scope, store, self._inner, post=options.post)
        leases = Leases(store, now, clock, sharing, counts)
        self._fetcher = Fetcher(self._inner, store, rules, now, counts, leases=leases, clock=clock)
        self._failing = ExpiringKeys(clock)
        self._refresher = Refresher(scope.shared, self._failing, scope.covered, sharing.joined_for)

    async def handle(self, exchange: Exchange) -> Reply:
        """From the store, or from below."""
        ties = exchange.ties
        # As ``exchange.bound`` has it, without a call.
        if exchange.upgrade or exchange.login or (ties is not None and ties.held):
            return await self._writes.handle(exchange)
        content: bytes | None = None
        if exchange.method not in LOOKED_UP or exchange.body.length != 0:
            content = await content_of(exchange, post=self._post)
            if content is None:
                return await self._other(exchange)
        asked = asked_by(exchange, self._keys.of, content)
        if asked.for_origin and not asked.wanted.only_if_cached:
            reply = told(await self._inner(exchange), "fwd=bypass; detail=precondition")
            return self._noted(exchange, reply)
        entry: Entry | None = None
        reason = "request"
        if not (asked.wanted.no_store or asked.for_origin):
            changes = self._store.changes
            since = changes.now
            entry, why = await find(self._store, asked, self._now)
            if changes.now != since and is_outdated(changes, asked, since):
                entry, why = await find(self._store, asked, self._now)
            if entry is None:
                reason = why
            elif (found := self._from_store(asked, entry)) is not None:
                reply, kind = found
                if entry.whole is not None or await begun(reply, entry):
                    counts = self.counts
                    counts[kind] += 1
                    whole = reply.encoded is not None  # the usual hit
                    counts["hit_bytes"] += entry.size if whole else body_size(reply, entry)
                    if kind == "hits" and type(shown := entry.shown) is Shown:
                        counts["hit_age_seconds"] += shown.age
                    return reply
                exchange.record.cache = ""
                entry, reason = None, LOST
            elif not asked.wanted.no_cache:
                reason = "stale" if entry.meta.freshness.is_stale(self._now()) else reason
                self._leave_word(asked, entry, reason)
        if asked.wanted.only_if_cached:
            self.counts["misses"] += 1
            raise NotCached("no stored reply may be used, and the client takes no other")
        return await self._ask(asked, entry, reason)

    def _from_store(self, asked: Asked, entry: Entry) -> tuple[Reply, str] | None:
        """The answer from an entry, and as what it counts if its body is there.

        None where the upstream has to be asked first.
        """
        now, shown = self._now(), entry.shown
        as_shown = type(shown) is Shown and shown.since <= now < shown.until
        if as_shown and asked.wanted is ANYTHING:  # as it was a moment ago
            return fresh_answer(asked, entry, now, self._now, as_shown=True), "hits"
        stored = entry.meta.freshness
        use = reuse(stored, asked.wanted, now)
        if use is Use.FRESH:
            return fresh_answer(asked, entry, now, self._now, as_shown=as_shown), "hits"
        words = f"hit; ttl={int(stored.remaining(now))}"
        if use is Use.STALE:
            words += "; detail=max-stale"
        elif use is Use.REFRESH:
            self._refresher.begin(asked, entry.ident, partial(self._ask_for, entry, asked.content))
            words += "; detail=stale-while-revalidate"
        elif self._failing.holds(asked.own_key) and usable_on_error(stored, asked.wanted, now):
            words += "; detail=stale-if-error"
        else:
            return None
        asked.exchange.record.cache = words
        return answer(asked, entry, now, words, self._now), "stale"

    async def _answer(
        self, asked: Asked, entry: Entry, now: float, words: str, kind: str
    ) -> Reply | None:
        """The answer from an entry, counted as one of this kind; None where its body is lost."""
        found = answer(asked, entry, now, words, self._now)
        if not await begun(found, entry):
            return None
        asked.exchange.record.cache = words
        self.counts[kind] += 1
        self.counts["hit_bytes"] += body_size(found, entry)
        return found

    async def _ask(self, asked: Asked, entry: Entry | None, reason: str) -> Reply:
        """From the upstream; from a stale entry where that fails."""
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
            spare = await self._spare(asked, entry, reason)
            if spare is None or (stale := await self._instead(asked, spare, reason, error)) is None:
                self.counts["misses"] += 1
                raise
            return stale
        if (found := entry_of(reply)) is not None:
            return await self._from_elsewhere(asked, found, reason)
        if (entry is not None or reason == LOST) and (
            exchange.error or verdict(reply) in (Verdict.OVERLOADED, Verdict.FAILED)
        ):
            if (spare := await self._spare(asked, entry, reason)) is not None:
                said = None if exchange.error else refusal(reply, exchange)
                status = f"; fwd-status={reply.status}"
                stale = await self._instead(asked, spare, reason, said, status)
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
        self.counts["misses"] += 1
        return self._noted(exchange, reply)

    async def _spare(self, asked: Asked, entry: Entry | None, reason: str) -> Entry | None:
        """What may stand in the place of an error: worth another look where the store was late."""
        if entry is None and reason == LOST:
            entry, _ = await find(self._store, asked, self._now)
        return None if entry is None else Awaited(entry)

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
            found = await self._answer(asked, entry, self._now(), words, "collapsed")
            if found is not None:
                return found
        return await self._alone(asked, reason)

    async def _alone(self, asked: Asked, reason: str) -> Reply:
        """From the upstream, where an entry turns out to be of no use; for a crowd in one call."""
        self.counts["misses"] += 1
        record = asked.exchange.record
        exchange, status = asked.exchange, str(record.reply_status)
        record.log_last(status, exchange.asked_at, self._clock(), exchange.body)
        record.coalesced = False
        reply = await self._shared(asked, None, reason, alone=True)
        return self._noted(asked.exchange, reply)

    async def _ask_for(self, entry: Entry, content: bytes | None, exchange: Exchange) -> Reply:
        """The same in the background."""
        asked = asked_by(exchange, self._keys.of, content)
        exchange.suffices = self._fetcher.suffices(asked, None)  # nobody waits: it may try again
        return await self._shared(asked, entry, "stale")

    def _leave_word(self, asked: Asked, entry: Entry, reason: str) -> None:
        """Leave word of a stale entry, for a request whose time is over before there is an answer.

        ``reason``: why the upstream is asked, as Cache-Status says it.
        """
        if not usable_on_error(entry.meta.freshness, asked.wanted, self._now()):
            return
        instead, key_of, content = self._instead, self._keys.of, asked.content

        async def late(exchange: Exchange, error: ProxyError) -> Reply | None:
            return await instead(asked_by(exchange, key_of, content), entry, reason, error)

        asked.exchange.record.at_hand = late  # which holds no exchange: it would hold itself

    async def _instead(
        self, asked: Asked, entry: Entry, reason: str, failure: ProxyError | None, status: str = ""
    ) -> Reply | None:
        """A stale entry in the place of a failure, within its bounds; None: it is told already."""
        now, stored = self._now(), entry.meta.freshness
        if not usable_on_error(stored, asked.wanted, now):
            return None
        words = f"fwd={reason}{status}; ttl={int(stored.remaining(now))}; detail=stale-if-error"
        found = await self._answer(asked, entry, now, words, "stale")
        if found is None:
            return None
        self._failing.add(asked.own_key)
        asked.exchange.error = ""
        if failure is not None:
            self._covered(asked.exchange, failure)
        return found

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
        found = await self._answer(asked, current, self._now(), words, "revalidated")
        if found is None:
            return await self._alone(asked, LOST)
        if current.meta.freshness == before:  # the 304 is not stored
            now, sent_at = self._now(), asked.exchange.record.sent_at
            since = now if sent_at is None else now - (self._clock() - sent_at)
            found = with_age(found, reply.headers, since, now)
        return found if asked.exchange.record.coalesced else with_own(found, reply.headers)

    async def _other(self, exchange: Exchange) -> Reply:
        """What is not looked up; an unsafe method makes what is stored invalid."""
        words = "fwd=method"
        if exchange.method in LOOKED_UP:
            words = "fwd=bypass; detail=content"
            controls = cache_directives(values(exchange.headers, b"cache-control"))
            if b"only-if-cached" in controls:
                raise NotCached("replies to requests with a body are not stored")
        return self._noted(exchange, told(await self._writes.handle(exchange), words))

    def _noted(self, exchange: Exchange, reply: Reply) -> Reply:
        """With Cache-Status for one of the clients that share a reply; the log has it too."""
        name, value = reply.headers[-1]
        if name is not STATUS:  # a 304 to a condition of the client's own, shared or not
            return reply
        if exchange.record.coalesced:
            self.counts["collapsed"] += 1
            value = value.replace(b"; stored", b"") + b"; collapsed"
            reply.headers = [*reply.headers[:-1], (STATUS, value)]
        exchange.record.cache = value.partition(b"; ")[2].decode()
        return reply

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield gauge("cache_refreshing", len(self._refresher.under_way))
