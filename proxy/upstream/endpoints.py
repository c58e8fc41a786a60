"""The servers of one upstream. A name with several addresses is several servers."""

import asyncio
import logging
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from proxy.core.local_limits import complain, local_limit
from proxy.policy.rotation import Turns
from proxy.upstream.address import Endpoint, ServerEntry, UpstreamOptions, entries, tls_context
from proxy.upstream.endpoint import Member
from proxy.upstream.names import Addresses
from proxy.upstream.rotated import LOOK_EVERY, Rotated
from proxy.upstream.session import Session
from proxy.upstream.translate import reason

log = logging.getLogger(__name__)


class _Key(NamedTuple):
    entry: int
    ip: str
    """Empty where the server's own address is used, a name included."""


class Pool:
    """Knows which servers there are now; names are looked up again every ``dns_ttl``."""

    def __init__(self, options: UpstreamOptions, session: Session) -> None:
        """Raises OSError or ssl.SSLError where a file of the options cannot be used."""
        self.name = options.name
        self._options = options
        self._session = session
        self._tls = tls_context(options)
        self._entries = entries(options)
        self._names = {
            index: host
            for index, entry in enumerate(self._entries)
            if (host := Endpoint(options, entry, self._tls).lookup)
        }
        self._rotated: Rotated | None = None
        shown = options.credentials
        if shown is not None and stat.S_ISREG(_mode(shown.value_file)):
            self._rotated = Rotated(shown)
        for host in self._names.values():
            session.obey(host, options.dns_ttl)
        self._turns = [Turns() for _ in self._entries]
        self._known: dict[_Key, Member] = {}
        self._away: dict[_Key, Member] = {}
        self.on_membership: list[Callable[[], None]] = []
        """Called when there are other members."""
        self.on_state: list[Callable[[], None]] = []
        """Called when a member may not be asked any more, or may be asked again."""
        self.members: tuple[Member, ...] = ()
        self._update()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def changes(self) -> bool:
        """Whether there may be other servers later."""
        return bool(self._names and self._options.dns_ttl)

    def report(self, now: float) -> list[dict[str, Any]]:
        """The servers for operators; ``now`` is monotonic."""
        return [member.report(now) for member in self.members]

    def open(self) -> None:
        """Begin to look names up; until an answer comes, each is one server."""
        if self.changes:
            self._tasks.append(asyncio.create_task(self._watch()))
        if self._rotated is not None:
            self._tasks.append(asyncio.create_task(self._reread(self._rotated)))

    async def close(self) -> None:
        """Stop, and close what rests."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.members:
            member.close()

    async def _watch(self) -> None:
        while True:
            found: dict[int, Addresses] = {}
            for index, host in self._names.items():
                try:
                    found[index] = await self._session.addresses(host)
                except OSError as error:  # what is known stays; a request would say what is wrong
                    log.info("the name %s could not be looked up: %s", host, reason(error))
                except Exception as error:  # or nobody would look again
                    if (ours := local_limit(error)) is not None:
                        complain(ours.kind, ours.detail)
                    else:
                        log.exception("look-up of %s", host)
            self._heard(found)
            await asyncio.sleep(self._options.dns_ttl)

    def _heard(self, found: dict[int, Addresses]) -> None:
        for index, addresses in found.items():
            self._turns[index].heard(addresses.servers)
        self._update()
        for index, addresses in found.items():
            if (alone := self._known.get(_Key(index, ""))) is not None:
                alone.follow(addresses.listed)
        for key in [key for key in self._away if not self._turns[key.entry].remembers(key.ip)]:
            del self._away[key]

    async def _reread(self, rotated: Rotated) -> None:
        """Show what the file says now; a disk may stand still, the loop may not."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                if await asyncio.to_thread(rotated.changed):
                    for member in (*self.members, *self.away):
                        member.endpoint.credentials = rotated.field
            except Exception:  # or nobody would look again
                log.exception("credentials of %s", self.name)

    def _update(self) -> None:
        """Have one member for each address; those that stay keep their connections and state.

        Those that go are remembered for a while: an address that comes back finds its state.
        """
        known: dict[_Key, Member] = {}
        for number, entry in enumerate(self._entries):
            for ip in self._turns[number].addresses:
                key = _Key(number, ip)
                known[key] = self._known.get(key) or self._back(key) or self._made(entry, ip)
        if known.keys() == self._known.keys():
            return
        gone = {key: member for key, member in self._known.items() if key not in known}
        self._known = known
        self._away.update({key: member for key, member in gone.items() if key.ip})
        self.members = tuple(known.values())
        for call in self.on_membership:
            call()
        for member in gone.values():
            member.close()

    def _back(self, key: _Key) -> Member | None:
        member = self._away.pop(key, None)
        if member is not None:
            member.reopen()
        return member

    @property
    def away(self) -> tuple[Member, ...]:
        """Servers that are not asked now, and may come back."""
        return tuple(self._away.values())

    def _state_changed(self) -> None:
        for call in self.on_state:
            call()

    def _made(self, entry: ServerEntry, ip: str) -> Member:
        options = self._options
        endpoint = Endpoint(options, entry, self._tls, ip)
        if self._rotated is not None:
            endpoint.credentials = self._rotated.field
        gateway = partial(
            self._session.gateway,
            endpoint.template,
            endpoint.unix_path,
            keepalive=options.keepalive_timeout,
            max_age=options.max_connection_age,
        )
        limited = gateway(limit=options.limit)
        return Member(
            endpoint,
            limited,
            gateway(limit=0) if options.limit else limited,
            self._state_changed,
            weight=entry.weight,
            backup=entry.backup,
        )


def _mode(path: str) -> int:
    """The kind of a file; 0 where there is none. A pipe gives its bytes once only."""
    try:
        return os.stat(path).st_mode if path else 0
    except OSError:
        return 0
