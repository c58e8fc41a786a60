"""One call of the upstream for the cache: with validators where there is an entry, and stored."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import ProtocolViolation
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import Verdict, verdict
from proxy.core.record import Record
from proxy.core.reply import Ending, Reply
from proxy.core.stored import Claim, Entry, Meta, Store
from proxy.http.conditional import is_conditional, with_tags
from proxy.http.fields import RawHeaders, first, values
from proxy.http.sse import streams_events
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.filling import Rules, freshened, plan
from proxy.middleware.cache.labels import labels_of
from proxy.middleware.cache.leasing import Leases, handed
from proxy.middleware.cache.lookup import NOTHING_STORED
from proxy.middleware.cache.shown import STATUS, status_field
from proxy.middleware.cache.stored_while_read import StoredWhileRead
from proxy.middleware.cache.succession import is_newer, is_withdrawn, speaks_of
from proxy.middleware.cache.sufficing import Suffices
from proxy.middleware.cache.validating import (
    REPLACED,
    is_confirmed,
    is_of_client,
    sent_validators,
    without_all,
)
from proxy.middleware.cache.whole import longest, store_whole
from proxy.policy.freshness import ANYTHING, usable_on_error
from proxy.policy.key_changes import Changes

_STAYS_FOR: Final = 10.0
"""Seconds for which errors of one status are taken for the one that said that it stays."""
_NO_MARK: Final = Changes().mark(b"")
_SAME_BODY: Final = (b"etag", b"last-modified")


class Fetcher:
    """Asks the upstream, and stores what it may."""

    __slots__ = (
        "_below",
        "_clock",
        "_counts",
        "_leases",
        "_now",
        "_rules",
        "_shared",
        "_staying",
        "_store",
    )

    def __init__(
        self,
        below: Handler,
        store: Store,
        rules: Rules,
        now: Clock,
        counts: Counter[str],
        *,
        leases: Leases,
        clock: Clock,
    ) -> None:
        """``now``: the time of what is stored, see ``core/clock.never_back``."""
        self._clock = clock
        self._staying = ExpiringKeys(clock, _STAYS_FOR)
        self._leases = leases
        self._below = below
        self._store = store
        self._shared = store.claims.shared
        self._rules = rules
        self._now = now
        self._counts = counts

    async def fetch(
        self,
        asked: Asked,
        entry: Entry | None,
        reason: str,
        exchange: Exchange,
        *,
        alone: bool = False,
    ) -> Reply:
        """One call for all that share it; ``exchange`` is what is sent. ``alone``: nobody does.

        Returns what `handed` gives where another process has stored a reply meanwhile.
        Returns the 304 where that confirms ``entry``, which has its new fields then. Any other
        reply has Cache-Status as its last field; ``reason``: why it was forwarded (RFC 9211 2.2).
        A 304 that speaks of another representation says nothing of the entry: the whole is asked
        for (RFC 9111 4.3.4). Raises ProtocolViolation at a 304 to a request without conditions
        where there is an entry: that would be an empty answer to a client that asked for a whole.
        """
        if self._shared:
            begun = await self._leases.begin(asked, entry, exchange, alone=alone)
            if not isinstance(begun, Claim):
                return handed(begun)
            claim = begun
        else:
            claim = Claim(self._store.changes.now)
        try:
            if claim.token:
                with self._leases.renewing(claim, exchange.record):
                    reply, validated, asked_at = await self._send(entry, exchange)
            else:
                reply, validated, asked_at = await self._send(entry, exchange)
        except BaseException:
            self._store.claims.give_back(claim)
            raise
        times = self._times(asked_at, exchange.record)
        meta: Meta | str
        limit: int = self._rules.max_object
        try:
            if entry is not None and validated and reply.status == 304:
                await self._freshen(asked, entry, reply.headers, times)
                self._store.claims.give_back(claim)
                return reply
            words = f"fwd={reason}; fwd-status={reply.status}"
            if exchange.error:
                meta = "fallback"
            elif self._shared and claim.order is None:
                meta = "not-kept"  # the store does not say what has become of the key since
            elif entry is not None and self._better(entry, reply, times[1]):
                meta = "error"
            else:
                meta = plan(asked, reply, self._rules, times, limit)
                if not isinstance(meta, str):
                    limit = longest(self._store, meta, limit)
                    meta = "too-large" if limit and (reply.length or 0) > limit else meta
            if isinstance(meta, str):
                if (
                    entry is not None
                    and not asked.wanted.no_cache
                    and is_withdrawn(asked, entry, reply, meta)
                ):
                    await self._store.delete(asked.key_for(entry.meta), entry.ident)
                if claim.token:
                    self._store.claims.give_back(claim)
                return told(reply, f"{words}; detail={meta}")
            if claim.token and streams_events(reply.headers):
                self._store.claims.give_back(claim)  # others need not wait for its end
            key, since, is_first = asked.key_for(meta), claim.since, reason == NOTHING_STORED
            place = partial(self._place, asked, key, meta, asked_at[0], since, is_first=is_first)
            if (whole := reply.buffered) is not None:
                keep = partial(self._store.keep, key, meta, claim)
                if why := await store_whole(keep, reply, whole, limit, place):
                    self._store.claims.give_back(claim)
                    return told(reply, f"{words}; detail={why}")
            else:
                writer = self._store.put(key, meta, claim)
                events = streams_events(reply.headers)
                pace = meta.pace if self._rules.paced and events else None
                source = StoredWhileRead(
                    reply, writer, limit, place, events=events, pace=pace, clock=self._now
                )
                reply = reply.with_body(source, reply.length)
        except BaseException:  # those that asked leave, while the store is waited for
            self._store.claims.give_back(claim)
            reply.drop()
            raise
        self._counts["stored"] += 1
        return told(reply, f"{words}; stored")

    async def _send(
        self, entry: Entry | None, exchange: Exchange
    ) -> tuple[Reply, bool, tuple[float, float]]:
        """A reply of the upstream, whether a 304 confirms the entry; when it was asked (`_times`).

        The tags of the client are asked for too: all that share a call have the same. A 304 that
        speaks of one of them is its answer, and says nothing of the entry.
        Raises ProtocolViolation as ``fetch`` says.
        """
        asked_at = self._now(), self._clock()
        kept = exchange.headers
        ours = [] if entry is None else sent_validators(exchange, entry)
        sent = with_tags(ours, kept) if ours else ours
        if ours:
            exchange.headers = without_all(kept, REPLACED) + sent
        try:
            reply = await self._below(exchange)
            if sent is not ours and reply.status == 304:
                if first(reply.headers, b"etag") is None:  # nobody knows which one it speaks of
                    reply.close(Ending.COMPLETE)
                    exchange.headers = without_all(kept, REPLACED) + ours
                    asked_at = self._now(), self._clock()
                    reply = await self._below(exchange)
                elif not is_confirmed(entry, reply) and is_of_client(kept, reply):
                    return reply, False, asked_at
            if ours and reply.status == 304 and not is_confirmed(entry, reply):
                reply.close(Ending.COMPLETE)
                exchange.headers = without_all(kept, REPLACED)
                asked_at = self._now(), self._clock()
                reply = await self._below(exchange)
                ours = []
            if entry is not None and reply.status == 304 and not is_conditional(exchange.headers):
                reply.close(Ending.COMPLETE)
                raise ProtocolViolation("304 to a request without conditions")
        finally:
            exchange.headers = kept
        return reply, bool(ours), asked_at

    def _times(self, asked_at: tuple[float, float], record: Record) -> tuple[float, float]:
        """When the request was sent whose reply has just come, and when that came.

        What came before it is no part of its age (RFC 9111 4.2.3): waits of the proxy itself, and
        attempts that failed. ``asked_at``: the time of what is stored, and that of the clock.
        """
        since, began = asked_at
        if record.sent_at is not None and record.sent_at > began:
            since += record.sent_at - began
        return since, self._now()

    async def _place(
        self, asked: Asked, key: bytes, meta: Meta, asked_at: float, since: int, *, is_first: bool
    ) -> Sequence[bytes] | None:
        """The idents of the entries under the key whose place a reply takes that has ended.

        None where it may not be stored: a newer one is, or it was asked for before a write.
        ``since``: the moment of ``Changes`` at which it was asked for; ``is_first``: whether
        nothing was stored then. It is stored at once: nothing may come between.
        """
        store, changes = self._store, self._store.changes
        replaced: list[bytes] = []
        changed = changes.now != since
        if not is_first or self._shared or (changed and changes.may_have_stored(key, since)):
            for each in await store.get(key):
                if asked.takes(each):
                    if is_newer(each.meta, meta, asked_at, self._now()):
                        return None
                    replaced.append(each.ident)
        # Looked at again, since something may have changed while the store was asked.
        if changes.now != since and changes.is_invalid((asked.key, *meta.labels), since):
            return None
        changes.stored(key)
        return replaced

    def mark(self, asked: Asked) -> bytes:
        """Another one after each time that what is asked for was made invalid."""
        changes = self._store.changes
        if changes.none_invalid:
            return _NO_MARK
        rules = self._rules
        asked.labels = labels_of(asked.exchange, rules.route_label, rules.upstream)
        return changes.mark(*asked.labels)

    def suffices(self, asked: Asked, entry: Entry | None) -> Suffices:
        """Which failures are not tried again; ``entry`` where that may be the answer instead."""
        return Suffices(self._rules, self._now, asked, entry, self._staying)

    def _better(self, entry: Entry, reply: Reply, now: float) -> bool:
        """Whether an entry is kept, since it is used in the place of this error."""
        failed = verdict(reply) is not Verdict.ANSWERED
        return failed and usable_on_error(entry.meta.freshness, ANYTHING, now)

    async def learn(
        self, asked: Asked, entry: Entry, reply: Reply, asked_at: tuple[float, float]
    ) -> None:
        """What the reply to a HEAD says of an entry (RFC 9111 4.3.5)."""
        if reply.status != entry.meta.status:
            return
        same_size = reply.length is None or reply.length == entry.size
        if same_size and all(
            values(reply.headers, name) in ([], values(entry.meta.fields, name))
            for name in _SAME_BODY
        ):
            times = self._times(asked_at, asked.exchange.record)
            await self._freshen(asked, entry, reply.headers, times)
        elif speaks_of(asked, entry):
            await self._store.delete(asked.key_for(entry.meta), entry.ident)

    async def _freshen(
        self, asked: Asked, entry: Entry, fields: RawHeaders, times: tuple[float, float]
    ) -> None:
        key = asked.key_for(entry.meta)
        meta = freshened(entry.meta, asked, fields, self._rules, times)
        if meta is None:
            if speaks_of(asked, entry):
                await self._store.delete(key, entry.ident)
        else:
            await self._store.touch(key, entry.ident, meta)
            self._store.changes.stored(key)


def is_confirming(exchange: Exchange, entry: Entry, reply: Reply) -> bool:
    """Whether ``fetch`` returned a 304 that confirms the entry; any other reply was ``told``."""
    if reply.status != 304 or not sent_validators(exchange, entry):
        return False
    return not reply.headers or reply.headers[-1][0] is not STATUS


def told(reply: Reply, words: str) -> Reply:
    """The reply, with Cache-Status as its last field."""
    reply.add(status_field(words))
    return reply
