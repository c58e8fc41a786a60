"""The servers of one upstream. A name with several addresses is several servers."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from proxy.core.errors import UpstreamError
from proxy.core.files import LOOK_EVERY
from proxy.core.local_limits import complain, local_limit
from proxy.core.samples import Sample
from proxy.policy.rotation import Turns
from proxy.upstream.address import Address
from proxy.upstream.connects import Connects
from proxy.upstream.credentials.upstream_credentials import UpstreamCredentials
from proxy.upstream.endpoint import Endpoint, unreachable
from proxy.upstream.options import UpstreamOptions
from proxy.upstream.plan import Plan, Server
from proxy.upstream.resolver import AGAIN, ResolvedName
from proxy.upstream.session import Session

log = logging.getLogger(__name__)


class _Key(NamedTuple):
    server: Server
    ip: str
    """Empty where the server's own address is used, a name included."""


class Endpoints:
    """Knows which servers there are now; names are looked up again every ``dns_ttl``.

    They belong to the name of their upstream and outlive a configuration: ``prepare`` looks at
    other options, ``follow`` goes on with them. A server that is reached as before keeps its
    connections and all that is known of it; one that is reached in another way keeps the latter.
    """

    def __init__(self, options: UpstreamOptions, session: Session) -> None:
        """Raises OSError or ssl.SSLError where a file of the options cannot be used."""
        self.name = options.name
        self._session = session
        self.plan = Plan(options, session)
        """What is used now."""
        self._turns: dict[Server, Turns] = {}
        self._known: dict[_Key, Endpoint] = {}
        self._away: dict[_Key, Endpoint] = {}
        self.on_membership: list[Callable[[], None]] = []
        """Called when there are other members."""
        self.on_state: list[Callable[[], None]] = []
        """Called when a member may not be asked any more, or may be asked again."""
        self.on_connect: list[Callable[[], None]] = []
        """Called when a new connection to a member works."""
        self.members: tuple[Endpoint, ...] = ()
        self._open = False
        self._watching: list[asyncio.Task[None]] = []
        """Tasks that look names up, one for each name."""
        self._looking: asyncio.Task[None] | None = None
        """At files."""
        self._use_names()
        self._update()

    # Options

    def prepare(self, options: UpstreamOptions) -> Plan:
        """What it takes to follow other options; nothing changes by it. Raises as above."""
        return Plan(options, self._session, self.plan)

    def alone(self, plan: Plan | None = None) -> Endpoint | None:
        """The one server that there will be as long as the options stay; None for a choice.

        ``plan``: what will be followed.
        """
        plan = plan or self.plan
        if len(plan.entries) != 1 or plan.changes:
            return None
        (server,) = plan.entries
        key = _Key(server, "")
        if plan.alone is None:
            plan.alone = self._unchanged(plan, self._known).get(key) or self._made(plan, key)
        return plan.alone

    def follow(self, plan: Plan) -> UpstreamCredentials | None:
        """Go on with these options. Returns credentials that are no more, to be closed."""
        before, self.plan = self.plan, plan
        if (plan.names, plan.options.dns_ttl) != (before.names, before.options.dns_ttl):
            for task in self._watching:
                task.cancel()
            self._watching.clear()
        if (plan.credentials, plan.tls) != (before.credentials, before.tls):
            self._end_looking()
        replaced = {**self._away, **self._known}
        stay, self._away = self._unchanged(before, self._known), self._unchanged(before, self._away)
        changed = False
        for key, endpoint in [*stay.items(), *self._away.items()]:
            entry = plan.entries[key.server]
            changed = endpoint.weigh(entry.weight, backup=entry.backup) or changed
        self._use_names()
        self._update(stay, replaced, changed=changed)
        if self._open:
            self.open()
        if plan.credentials is before.credentials:
            return None
        before.credentials.leave_to(plan.credentials)
        return before.credentials

    def _unchanged(self, other: Plan, endpoints: dict[_Key, Endpoint]) -> dict[_Key, Endpoint]:
        """Those that are reached in the same way now and by the other plan."""
        here, there = self.plan.ways, other.ways
        return {
            key: endpoint
            for key, endpoint in endpoints.items()
            if key.server in here and here[key.server] == there.get(key.server)
        }

    def _use_names(self) -> None:
        if not (known := self._turns if self.plan.changes else {}):  # nobody hears of a move now
            self._away.clear()
        self._turns = {server: known.get(server) or Turns() for server in self.plan.entries}

    @property
    def credentials(self) -> UpstreamCredentials:
        """The proxy's own."""
        return self.plan.credentials

    @property
    def changes(self) -> bool:
        """Whether there may be other servers later, without other options."""
        return self.plan.changes

    def describe(self, now: float) -> Iterator[Sample]:
        """The endpoints and credentials for operators; ``now`` is monotonic."""
        for endpoint in self.members:
            yield from endpoint.describe(now)
        yield from self.credentials.describe(now)

    # Life

    def open(self) -> None:
        """Begin to look names up; until an answer comes, each is one server."""
        self._open = True
        plan = self.plan
        self._session.set_ttl(self.name, plan.names.values(), plan.options.dns_ttl)
        if plan.changes and not self._watching:  # a name that hangs keeps no other waiting
            self._watching = [
                asyncio.create_task(self._watch_name(server, host))
                for server, host in plan.names.items()
            ]
        plan.credentials.open()
        if (plan.credentials.may_change or plan.tls.may_change) and self._looking is None:
            self._looking = asyncio.create_task(self._look_at_files(plan))

    def _end_looking(self) -> None:
        task, self._looking = self._looking, None
        if task is not None:
            task.cancel()

    def trust(self) -> None:
        """Nobody checks any more whether they are well."""
        for endpoint in (*self.members, *self.away):
            if not endpoint.healthy:
                endpoint.set_health(healthy=True)

    async def close(self) -> None:
        """Stop, and close what rests."""
        self._open = False
        self._session.set_ttl(self.name, (), 0)
        tasks, self._watching = self._watching, []  # the frames of their cancellation hold this
        if self._looking is not None:
            tasks.append(self._looking)
            self._looking = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.credentials.close()
        for endpoint in self.members:
            endpoint.close()

    async def _watch_name(self, server: Server, host: str) -> None:
        while True:
            wait: float = self.plan.options.dns_ttl
            try:
                found = await self._session.look_up(host)
            except OSError:  # what is known stays
                wait = min(wait, AGAIN)
            except Exception as error:  # or nobody would look again
                if (ours := local_limit(error)) is not None:
                    complain(ours.kind, ours.detail)
                else:
                    log.exception("look-up of %s", host)
            else:
                self._on_answer(server, found)
            await asyncio.sleep(wait)

    def _on_answer(self, server: Server, found: ResolvedName) -> None:
        self._turns[server].heard(found.servers)
        self._update()
        if (alone := self._known.get(_Key(server, ""))) is not None:
            alone.follow_name(found.listed)
        for key in [key for key in self._away if not self._turns[key.server].remembers(key.ip)]:
            del self._away[key]

    async def _look_at_files(self, plan: Plan) -> None:
        """Use what the files say now; a disk may stand still, the loop may not."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await plan.credentials.look()
                if await plan.tls.look():
                    for endpoint in (*self.members, *self.away):
                        endpoint.use_tls(plan.tls.context)
            except Exception:  # or nobody would look again
                log.exception("files of %s", self.name)

    # Members

    def _update(
        self,
        stay: dict[_Key, Endpoint] | None = None,
        replaced: dict[_Key, Endpoint] | None = None,
        *,
        changed: bool = False,
    ) -> None:
        """Have one endpoint for each address; those that stay keep their connections and state.

        Those that go are remembered for a while: an address that comes back finds its state.
        ``replaced``: of whom a new one knows what they knew; ``changed``: a weight, or a backup.
        """
        stay = self._known if stay is None else stay
        known: dict[_Key, Endpoint] = {}
        for server in self.plan.entries:
            for ip in self._turns[server].addresses:
                key = _Key(server, ip)
                known[key] = stay.get(key) or self._back(key) or self._new(key, replaced or {})
        if known == self._known and not changed:
            return
        stays = set(map(id, known.values()))
        gone = {key: each for key, each in self._known.items() if id(each) not in stays}
        self._known = known
        if replaced is None:  # by the name, which may bring them back
            self._away.update({key: endpoint for key, endpoint in gone.items() if key.ip})
        self.members = tuple(known.values())
        for call in self.on_membership:
            call()
        for endpoint in gone.values():
            endpoint.close()

    def _new(self, key: _Key, replaced: dict[_Key, Endpoint]) -> Endpoint:
        plan = self.plan
        prepared = plan.alone if not key.ip else None
        endpoint = prepared or self._made(plan, key)
        if (before := replaced.get(key)) is not None:
            endpoint.take_over(before)
        return endpoint

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
    def unreachable(self) -> UpstreamError | None:
        """Why no member can be connected to, see ``upstream/endpoint``."""
        return unreachable(self.members)

    def _made(self, plan: Plan, key: _Key) -> Endpoint:
        options, entry = plan.options, plan.entries[key.server]
        address = Address(options, entry, plan.tls.context, key.ip)
        connects = Connects(self.on_connect)
        pool = partial(
            self._session.connection_pool,
            address.template,
            address.unix_path,
            keepalive=options.keepalive_timeout,
            max_age=options.max_connection_age,
            connects=connects,
            send_proxy=entry.send_proxy,
        )
        limited = pool(limit=options.limit)
        return Endpoint(
            address,
            limited,
            pool(limit=0) if options.limit else limited,
            partial(_call, self.on_state),  # no method: it would hold the other members
            weight=entry.weight,
            backup=entry.backup,
            connects=connects,
        )


def _call(everybody: Sequence[Callable[[], None]]) -> None:
    for call in everybody:
        call()
