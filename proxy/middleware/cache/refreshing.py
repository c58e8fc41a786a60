"""What happens behind a stale answer: the upstream is asked once for all, or left alone."""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.core.body import EMPTY, Body, BytesBody
from proxy.core.errors import ProxyError, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import Verdict, refusal, verdict
from proxy.core.reply import Ending, Reply
from proxy.core.shared import Shared
from proxy.core.tasks import keep
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.validating import REPLACED, without_all

_OF_CLIENT: Final = REPLACED | {b"cache-control", b"pragma"}


class Refresher:
    """Asks in the background."""

    __slots__ = ("_covered", "_failing", "_joined_for", "_shared", "under_way")

    def __init__(
        self,
        shared: Shared,
        failing: ExpiringKeys,
        covered: Callable[[Exchange, ProxyError], str],
        joined_for: Callable[[], float],
    ) -> None:
        """``covered``: logs a failure. ``joined_for``: seconds for which others join a call of
        which nothing comes, see ``core/sharing``."""
        self._joined_for = joined_for
        self._covered = covered
        self._shared = shared
        self._failing = failing
        self.under_way: dict[bytes, tuple[float, float]] = {}
        """Idents of the entries that are asked for; until when nobody else asks, and how long that
        is: twice as long as others join a call, since this one may begin later, and twice as long
        each time."""

    def begin(self, asked: Asked, ident: bytes, ask: Handler) -> None:
        """Have ``ask`` send the request for an entry, unless it is under way."""
        key, sent = asked.own_key, asked.exchange.body
        now = self._shared.clock()
        until, span = self.under_way.get(ident, (now, 0.0))
        if now < until or self._failing.holds(key):
            return
        span = 2 * (span or self._joined_for())
        self.under_way[ident] = own = now + span, span
        body: Body = EMPTY
        if asked.content is not None:  # its own may not outlive its client
            body = BytesBody(asked.content, sent.framing, sent.length)
        twin = asked.exchange.twin(body)
        if twin.method == "HEAD":
            twin.method = "GET"
        twin.started_at = now
        twin.record.head_s = twin.record.queue_s = 0.0  # it begins now, and has waited for nothing
        twin.record.longest_wait = None
        twin.deadline = twin.ties = None
        twin.headers = without_all(twin.headers, _OF_CLIENT)
        task = asyncio.get_running_loop().create_task(self._run(twin, key, ident, own, ask))
        keep(task, self._shared.tasks)

    async def _run(
        self, twin: Exchange, key: bytes, ident: bytes, own: tuple[float, float], ask: Handler
    ) -> None:
        """``own``: what it is in ``under_way`` until another one is begun beside it."""
        reply: Reply | None = None
        ending = Ending.ABANDONED
        try:
            reply = await ask(twin)
            while await reply.read():
                pass
            ending = Ending.COMPLETE
            if twin.error or verdict(reply) is not Verdict.ANSWERED:
                self._failing.add(key)
                if not twin.error:  # else the reply stands in for a failure, which is told already
                    self._covered(twin, refusal(reply, twin))
        except ProxyError as error:
            self._failing.add(key)
            self._covered(twin, error)
            forget_frames(error)
        finally:
            if self.under_way.get(ident) is own:
                del self.under_way[ident]
            if reply is not None:
                reply.close(ending)
            self._shared.unseen(twin, self._shared.clock())
