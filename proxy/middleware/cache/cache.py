"""Answers requests from stored replies: a shared cache of HTTP (RFC 9111, RFC 5861).

How it works. A GET or HEAD is looked up under its key: upstream, scheme, Host, target, what else
names the address, and what the route changes about fields (``Keys``). Of the entries under the key
the last one counts that `Vary` and the owner let answer this request (``Asked.takes``).
`policy/freshness` says what may be done with it:

- fresh, or stale and the client takes that: it is the answer;
- stale, within stale-while-revalidate: it is the answer, and one task asks the upstream for all;
- otherwise the upstream is asked, with the validators of the entry, and the tags of the client.

Requests that ask at the same time share one call, by the key and the rules of `[coalesce]`
(``Sharing``). ``Forwarding`` has what comes of it:

- 304 to our validators: the entry gets the new fields, and each client is answered from it;
- an error, or a status that says that the server fails: a stale entry is the answer, within
  stale-if-error, and the upstream is left alone for a second (``StaleIfError``);
- any other reply goes to the clients. If it may be stored (`policy/storing`), `StoredWhileRead`
  stores it while it is read. It becomes visible with its last byte; what is cut is forgotten.

Every reply says in Cache-Status what the cache did, and why it was not stored (RFC 9211).
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

from proxy.core.cache_options import CacheOptions
from proxy.core.clock import Clock, never_back, wall
from proxy.core.errors import NotCached
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.samples import Counts, Sample, gauge
from proxy.core.scope import Scope
from proxy.core.sharing import Sharing
from proxy.core.stored import Entry, Store
from proxy.http.cache_control import cache_directives
from proxy.http.fields import values
from proxy.middleware.cache.answers import answer, begun, body_size, fresh_answer
from proxy.middleware.cache.asked import Asked, asked_by, content_of
from proxy.middleware.cache.counted_answers import CountedAnswers
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.fetching import Fetcher, told
from proxy.middleware.cache.filling import Rules
from proxy.middleware.cache.forwarding import Forwarding
from proxy.middleware.cache.keying import Keys
from proxy.middleware.cache.leasing import Leases
from proxy.middleware.cache.lookup import LOST, find, is_outdated
from proxy.middleware.cache.problems import LOOKED_UP
from proxy.middleware.cache.refreshing import Refresher
from proxy.middleware.cache.shown import Shown
from proxy.middleware.cache.stale_if_error import StaleIfError
from proxy.middleware.cache.writes import writes_of
from proxy.policy.freshness import ANYTHING, Use, reuse, usable_on_error

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
        "_answers",
        "_failing",
        "_forwarding",
        "_inner",
        "_keys",
        "_now",
        "_post",
        "_refresher",
        "_stale_if_error",
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
        self._inner = sharing.inner
        self._store = store
        self._now = now = never_back(time_of_day, clock) if time_of_day else store.now
        self._post = options.post
        rules = Rules(options, scope.route, time_of_day or wall, scope.main_upstream)
        self.counts = counts
        self._keys = Keys(scope.main_upstream, scope.field_changes)
        self._writes = writes_of(scope, store, self._inner, post=options.post)
        self._failing = failing = ExpiringKeys(clock)
        self._refresher = Refresher(scope.shared, failing, scope.covered, sharing.joined_for)
        self._answers = answers = CountedAnswers(counts, now)
        self._stale_if_error = stale_if_error = StaleIfError(
            store, self._keys.of, answers, failing, scope.covered, now=now
        )
        leases = Leases(store, now, clock, sharing, counts)
        fetcher = Fetcher(self._inner, store, rules, now, counts, leases=leases, clock=clock)
        self._forwarding = Forwarding(
            sharing, fetcher, store, answers, stale_if_error, counts=counts, now=now, clock=clock
        )

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
            return self._answers.from_upstream(exchange, reply)
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
                self._stale_if_error.keep_at_hand(asked, entry, reason)
        if asked.wanted.only_if_cached:
            self.counts["misses"] += 1
            raise NotCached("no stored reply may be used, and the client takes no other")
        return await self._forwarding.ask(asked, entry, reason)

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
            self._refresher.begin(asked, entry.ident, partial(self._refresh, entry, asked.content))
            words += "; detail=stale-while-revalidate"
        elif self._failing.holds(asked.own_key) and usable_on_error(stored, asked.wanted, now):
            words += "; detail=stale-if-error"
        else:
            return None
        asked.exchange.record.cache = words
        return answer(asked, entry, now, words, self._now), "stale"

    async def _refresh(self, entry: Entry, content: bytes | None, exchange: Exchange) -> Reply:
        """Ask for a stale entry in the background."""
        return await self._forwarding.refresh(asked_by(exchange, self._keys.of, content), entry)

    async def _other(self, exchange: Exchange) -> Reply:
        """What is not looked up; an unsafe method makes what is stored invalid."""
        words = "fwd=method"
        if exchange.method in LOOKED_UP:
            words = "fwd=bypass; detail=content"
            controls = cache_directives(values(exchange.headers, b"cache-control"))
            if b"only-if-cached" in controls:
                raise NotCached("replies to requests with a body are not stored")
        return self._answers.from_upstream(
            exchange, told(await self._writes.handle(exchange), words)
        )

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield gauge("cache_refreshing", len(self._refresher.under_way))
