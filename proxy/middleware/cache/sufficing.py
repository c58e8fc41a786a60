"""When a failed attempt is the last one: what the cache knows of it, and ``[retry]`` does not."""

from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import UpstreamError
from proxy.core.outcome import STALE_CONNECTION, Verdict, failure_class, verdict
from proxy.core.reply import Reply
from proxy.core.stored import Entry
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.filling import Rules, lasts
from proxy.policy.freshness import usable_on_error

_SERVER: Final = 500


class Suffices:
    """Whether no other attempt is made after this failure; see ``Exchange.suffices``.

    - A stale entry may be the answer: the client has that at once, not after waits and tries.
    - The reply is an error that says itself that it stays (``policy/storing.stays``), or follows
      one of the same status that said so.

    But where another server could be asked, that may know better. A connection that had ended
    before the request came says nothing of the server.
    """

    __slots__ = ("_key", "_now", "_posted", "_rules", "_stale", "_staying", "_wanted")

    def __init__(
        self, rules: Rules, now: Clock, asked: Asked, entry: Entry | None, staying: ExpiringKeys
    ) -> None:
        """``entry``: what may be used in the place of an error, within its bounds.

        ``staying``: keys and statuses of errors that said that they stay.
        """
        self._key = asked.key
        self._staying = staying
        self._rules = rules
        self._now = now
        self._wanted = asked.wanted  # not ``asked``: that has the exchange, which has this
        self._posted = asked.exchange.method == "POST"
        self._stale = None if entry is None else entry.meta.freshness

    def __call__(self, came: Reply | UpstreamError) -> bool:
        """Of one attempt."""
        if came.alternative_ready:
            return False
        if isinstance(came, UpstreamError):
            return failure_class(came) != STALE_CONNECTION and self._has_stale()
        if verdict(came) is Verdict.ANSWERED:
            return False
        if self._has_stale():
            return True
        return came.status >= _SERVER and not self._posted and self._lasts(came)

    def _lasts(self, came: Reply) -> bool:
        mark = b"%d;%b" % (came.status, self._key)
        follows = self._staying.holds(mark)
        found = lasts(came, self._rules, self._now(), follows=follows)
        if found and not follows:
            self._staying.add(mark)
        return found

    def _has_stale(self) -> bool:
        stale = self._stale
        return stale is not None and usable_on_error(stale, self._wanted, self._now())
