"""The servers of one upstream. A name with several addresses is several servers."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from proxy.core.files import LOOK_EVERY
from proxy.core.local_limits import complain, local_limit
from proxy.core.samples import Sample
from proxy.policy.rotation import Turns
from proxy.upstream.address import Address
from proxy.upstream.connects import Connects
from proxy.upstream.credentials.upstream_credentials import UpstreamCredentials
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.options import ServerEntry, UpstreamOptions, entries
from proxy.upstream.resolver import ResolvedName
from proxy.upstream.session import Session
from proxy.upstream.tls_files import UpstreamTls
from proxy.upstream.translate import reason

log = logging.getLogger(__name__)


class _Key(NamedTuple):
    entry: int
    ip: str
    """Empty where the server's own address is used, a name included."""


class Endpoints:
    """Knows which servers there are now; names are looked up again every ``dns_ttl``."""

    def __init__(self, options: UpstreamOptions, session: Session) -> None:
        """Raises OSError or ssl.SSLError where a file of the options cannot be used."""
        self.name = options.name
        self._options = options
        self._session = session
        self._tls = UpstreamTls(options)
        self._entries = entries(options)
        self._names = {
            index: host
            for index, entry in enumerate(self._entries)
            if (host := Address(options, entry, self._tls.context).lookup)
        }
        self.credentials = UpstreamCredentials(options.credentials, options.name, session)
        for host in self._names.values():
            session.set_ttl(host, options.dns_ttl)
        self._turns = [Turns() for _ in self._entries]
        self._known: dict[_Key, Endpoint] = {}
        self._away: dict[_Key, Endpoint] = {}
        self.on_membership: list[Callable[[], None]] = []
        """Called when there are other members."""
        self.on_state: list[Callable[[], None]] = []
        """Called when a member may not be asked any more, or may be asked again."""
        self.on_connect: list[Callable[[], None]] = []
        """Called when a new connection to a member works."""
        self.members: tuple[Endpoint, ...] = ()
        self._update()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def changes(self) -> bool:
        """Whether there may be other servers later."""
        return bool(self._names and self._options.dns_ttl)

    def describe(self, now: float) -> Iterator[Sample]:
        """The endpoints and credentials for operators; ``now`` is monotonic."""
        for endpoint in self.members:
            yield from endpoint.describe(now)
        yield from self.credentials.describe(now)

    def open(self) -> None:
        """Begin to look names up; until an answer comes, each is one server."""
        if self.changes:
            self._tasks.append(asyncio.create_task(self._watch()))
        self.credentials.open()
        if self.credentials.may_change or self._tls.may_change:
            self._tasks.append(asyncio.create_task(self._look_at_files()))

    async def close(self) -> None:
        """Stop, and close what rests."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.credentials.close()
        for endpoint in self.members:
            endpoint.close()

    async def _watch(self) -> None:
        while True:
            found: dict[int, ResolvedName] = {}
            for index, host in self._names.items():
                try:
                    found[index] = await self._session.look_up(host)
                except OSError as error:  # what is known stays; a request would say what is wrong
                    log.info("the name %s could not be looked up: %s", host, reason(error))
                except Exception as error:  # or nobody would look again
                    if (ours := local_limit(error)) is not None:
                        complain(ours.kind, ours.detail)
                    else:
                        log.exception("look-up of %s", host)
            self._on_answers(found)
            await asyncio.sleep(self._options.dns_ttl)

    def _on_answers(self, found: dict[int, ResolvedName]) -> None:
        for index, addresses in found.items():
            self._turns[index].heard(addresses.servers)
        self._update()
        for index, addresses in found.items():
            if (alone := self._known.get(_Key(index, ""))) is not None:
                alone.follow_name(addresses.listed)
        for key in [key for key in self._away if not self._turns[key.entry].remembers(key.ip)]:
            del self._away[key]

    async def _look_at_files(self) -> None:
        """Use what the files say now; a disk may stand still, the loop may not."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.credentials.look()
                if self._tls.may_change and await asyncio.to_thread(self._tls.changed):
                    for endpoint in (*self.members, *self.away):
                        endpoint.use_tls(self._tls.context)
            except Exception:  # or nobody would look again
                log.exception("files of %s", self.name)

    def _update(self) -> None:
        """Have one endpoint for each address; those that stay keep their connections and state.

        Those that go are remembered for a while: an address that comes back finds its state.
        """
        known: dict[_Key, Endpoint] = {}
        for number, entry in enumerate(self._entries):
            for ip in self._turns[number].addresses:
                key = _Key(number, ip)
                known[key] = self._known.get(key) or self._back(key) or self._made(entry, ip)
        if known.keys() == self._known.keys():
            return
        gone = {key: endpoint for key, endpoint in self._known.items() if key not in known}
        self._known = known
        self._away.update({key: endpoint for key, endpoint in gone.items() if key.ip})
        self.members = tuple(known.values())
        for call in self.on_membership:
            call()
        for endpoint in gone.values():
            endpoint.close()

    def _back(self, key: _Key) -> Endpoint | None:
        endpoint = self._away.pop(key, None)
        if endpoint is not None:
            endpoint.reopen()
        return endpoint

    @property
    def away(self) -> tuple[Endpoint, ...]:
        """Servers that are not asked now, and may come back."""
        return tuple(self._away.values())

    @property
    def connects(self) -> bool:
        """Whether connections to any member are made, as far as is known."""
        return any(endpoint.connects.works for endpoint in self.members)

    def _state_changed(self) -> None:
        for call in self.on_state:
            call()

    def _made(self, entry: ServerEntry, ip: str) -> Endpoint:
        options = self._options
        address = Address(options, entry, self._tls.context, ip)
        connects = Connects(self.on_connect)
        pool = partial(
            self._session.connection_pool,
            address.template,
            address.unix_path,
            keepalive=options.keepalive_timeout,
            max_age=options.max_connection_age,
            connects=connects,
        )
        pool = partial(pool, send_proxy=entry.send_proxy)
        limited = pool(limit=options.limit)
        return Endpoint(
            address,
            limited,
            pool(limit=0) if options.limit else limited,
            self._state_changed,
            weight=entry.weight,
            backup=entry.backup,
            connects=connects,
        )
