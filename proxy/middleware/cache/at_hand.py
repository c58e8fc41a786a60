"""A stale entry for requests whose time is over before the upstream has answered."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from proxy.core.clock import Clock
from proxy.core.errors import ProxyError
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.stored import Entry
from proxy.middleware.cache.asked import Asked
from proxy.policy.freshness import usable_on_error

_KeyOf: TypeAlias = Callable[[Exchange, Sequence[bytes]], bytes]
_Instead: TypeAlias = Callable[[Asked, Entry, str, ProxyError], Awaitable[Reply | None]]


def leave_word(
    asked: Asked, entry: Entry, reason: str, instead: _Instead, *, key_of: _KeyOf, now: Clock
) -> None:
    """Leave word of an entry that may be used where the upstream fails: ``instead`` does it.

    ``reason``: why the upstream is asked, as Cache-Status says it.
    """
    if not usable_on_error(entry.meta.freshness, asked.wanted, now()):
        return
    content = asked.content

    async def late(exchange: Exchange, error: ProxyError) -> Reply | None:
        return await instead(Asked(exchange, key_of, content), entry, reason, error)

    asked.exchange.record.at_hand = late  # which holds no exchange: it would hold itself
