"""Names of servers and their addresses: looked up once for all, as often as ``dns_ttl`` says."""

import asyncio
import logging
import socket
from collections.abc import Iterable
from functools import partial
from typing import Any, Final, NamedTuple, cast

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult

from proxy.net.look_ups import LOOK_UPS
from proxy.policy.rotation import Turns
from proxy.upstream.translate import reason

log = logging.getLogger(__name__)

AGAIN: Final = 5.0
"""Most seconds until a name whose look-up has failed is looked up again, as Envoy does."""
_DISCARD: Final = 9
"""A port; nothing is sent there."""
_OTHERS: Final = 2
"""Addresses of the other family that are tried where one of the first does not answer."""


class ResolvedName(NamedTuple):
    """What a name stands for."""

    servers: tuple[str, ...]
    """Those of the family that is used, in a fixed order."""
    others: tuple[str, ...]
    """Some of the other family, where there is a way to it too."""
    listed: frozenset[str]
    """All."""


class Resolver(ThreadedResolver):
    """Remembers what it looked up, and knows what it is looking up.

    So a look-up that hangs can be told from a connect, and a name that moves is followed by what
    makes connections at the same time as by what balances. What is known of a name stays in use
    until another answer comes: no failure says where else its server is.
    """

    def __init__(self) -> None:
        super().__init__(cast(Any, LOOK_UPS))  # of a loop it uses what these have
        self.pending: set[str] = set()
        """Names that connections wait for, or waited for until their time was up."""
        self._ttl: dict[str, float] = {}
        self._asked: dict[str, dict[str, float]] = {}
        """The same by upstream and name; of several the shortest counts."""
        self._known: dict[str, tuple[float, list[ResolveResult]]] = {}
        """When to look again, and the last answer."""
        self._failing: set[str] = set()
        """Names whose last look-up has failed, which has been said."""
        self._turns: dict[str, Turns] = {}
        """Of names that are looked up for each new connection: nobody else follows them."""
        self._pending_look_ups: dict[str, asyncio.Task[list[ResolveResult]]] = {}

    def set_ttl(self, upstream: str, hosts: Iterable[str], ttl: float) -> None:
        """An upstream has these names, to be looked up again after ``ttl`` seconds, or each time.

        They take the place of those that it had before; one that is gone has none.
        """
        self._asked.pop(upstream, None)
        if asked := dict.fromkeys(hosts, ttl):
            self._asked[upstream] = asked
        self._ttl.clear()
        for asked in self._asked.values():
            for host, each in asked.items():
                self._ttl[host] = min(each, self._ttl.get(host, each))
        followed = {host for host, each in self._ttl.items() if each}
        self._known = {host: known for host, known in self._known.items() if host in followed}
        self._failing &= followed
        self._turns = {
            host: turns
            for host, turns in self._turns.items()
            if host in self._ttl and host not in followed
        }

    def follows(self, host: str) -> bool:
        """Whether a name is looked up again by itself."""
        return bool(self._ttl.get(host))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """What is known of ``host``, or found out. Raises OSError where it is not known."""
        again_at, found = self._known.get(host, (0.0, []))
        if not found:
            self.pending.add(host)
            found = await self.look_up(host)
        elif asyncio.get_running_loop().time() >= again_at:
            self._begun(host)  # it may hang: who knows an address does not wait for it
        return [{**entry, "port": port} for entry in found]

    async def look_up(self, host: str) -> list[ResolveResult]:
        """Look ``host`` up, whatever is known; one look-up for all who ask at the same time."""
        return await asyncio.shield(self._begun(host))

    def _begun(self, host: str) -> asyncio.Task[list[ResolveResult]]:
        task = self._pending_look_ups.get(host)
        if task is None:
            task = self._pending_look_ups[host] = asyncio.ensure_future(self._look_up(host))
            task.add_done_callback(partial(self._on_answer, host))
        return task

    def _on_answer(self, host: str, task: asyncio.Task[list[ResolveResult]]) -> None:
        del self._pending_look_ups[host]
        self.pending.discard(host)
        if not task.cancelled():
            task.exception()  # all who asked may have left

    async def _look_up(self, host: str) -> list[ResolveResult]:
        try:
            found = _in_order(await ThreadedResolver.resolve(self, host, 0, socket.AF_UNSPEC))
        except Exception as error:
            self._has_failed(host, error)
            raise
        if ttl := self._ttl.get(host, 0.0):
            self._known[host] = (asyncio.get_running_loop().time() + ttl, found)
            if host in self._failing:
                self._failing.remove(host)
                log.info("the name %s can be looked up again", host)
        else:
            answer = tuple(sorted({entry["host"] for entry in found}))
            self._turns.setdefault(host, Turns()).heard(answer)
        return found

    def _has_failed(self, host: str, error: Exception) -> None:
        """Whether the name is gone or the resolver is down, what is known stays."""
        ttl = self._ttl.get(host, 0.0)
        if not ttl:  # a request says what is wrong
            return
        _, found = self._known.get(host, (0.0, []))
        if found:
            again_at = asyncio.get_running_loop().time() + min(ttl, AGAIN)
            self._known[host] = (again_at, found)
        if isinstance(error, OSError) and host not in self._failing:
            self._failing.add(host)
            meanwhile = "its last addresses stay in use" if found else "no address is known"
            log.warning("the name %s cannot be looked up: %s; %s", host, reason(error), meanwhile)

    def stands_for(self, host: str) -> frozenset[str]:
        """The addresses of a name that is looked up for each new connection; none for others."""
        turns = self._turns.get(host)
        return frozenset() if turns is None else turns.known

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._pending_look_ups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()


def chosen(found: Iterable[ResolveResult]) -> ResolvedName:
    """The servers among the addresses of a name: of IPv4 where there are any and a way there is.

    A family without a route is not picked while the other has one (RFC 6724 5, rule 1).
    """
    all_of = {entry["host"] for entry in found}
    four = tuple(sorted(ip for ip in all_of if ":" not in ip))
    six = tuple(sorted(ip for ip in all_of if ":" in ip))
    listed = frozenset(all_of)
    if not (four and six):
        return ResolvedName(four or six, (), listed)
    if _routed(four[0]):
        return ResolvedName(four, six[:_OTHERS], listed)
    if _routed(six[0]):
        return ResolvedName(six, four[:_OTHERS], listed)
    return ResolvedName(four, six[:_OTHERS], listed)


def _in_order(found: list[ResolveResult]) -> list[ResolveResult]:
    """Those of the family that is used first; within a family as the name has them."""
    servers = chosen(found).servers
    return sorted(found, key=lambda entry: entry["host"] not in servers)


def _routed(ip: str) -> bool:
    """Whether the kernel knows a way there; for UDP, connect asks it and sends nothing."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((ip, _DISCARD))
    except OSError:
        return False
    return True
