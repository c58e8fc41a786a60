"""The servers of one upstream. A name with several addresses is several servers."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from proxy.core.local_limits import complain, local_limit
from proxy.upstream.endpoint import Endpoint, ServerEntry, UpstreamOptions, entries, tls_context
from proxy.upstream.member import Member
from proxy.upstream.session import Session

log = logging.getLogger(__name__)

_UNKNOWN: Final[tuple[str, ...]] = ()


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
        self._known: dict[_Key, Member] = {}
        self.changed: list[Callable[[], None]] = []
        """Told when there are other members, or when one may be asked no more or again."""
        self.members: tuple[Member, ...] = ()
        self._update(dict.fromkeys(self._names, _UNKNOWN))
        self._task: asyncio.Task[None] | None = None

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
            self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop, and close what rests."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for member in self.members:
            member.close()

    async def _watch(self) -> None:
        found: dict[int, tuple[str, ...]] = dict.fromkeys(self._names, _UNKNOWN)
        while True:
            for index, host in self._names.items():
                try:
                    found[index] = await self._session.addresses(host)
                except OSError as error:  # what is known stays; a request would say what is wrong
                    log.info("look-up of %s: %s", host, error)
                except Exception as error:  # or nobody would look again
                    if (ours := local_limit(error)) is not None:
                        complain(ours.kind, ours.detail)
                    else:
                        log.exception("look-up of %s", host)
            self._update(found)
            await asyncio.sleep(self._options.dns_ttl)

    def _update(self, found: dict[int, tuple[str, ...]]) -> None:
        """Have one member for each address; those that stay keep their connections and state."""
        known: dict[_Key, Member] = {}
        for number, entry in enumerate(self._entries):
            addresses = found.get(number, _UNKNOWN)
            # One address is the name itself: the connector looks it up, and tries IPv6 and IPv4.
            for ip in addresses if len(addresses) > 1 else ("",):
                key = _Key(number, ip)
                known[key] = self._known.get(key) or self._made(entry, ip)
        if known.keys() == self._known.keys():
            return
        gone = [member for key, member in self._known.items() if key not in known]
        self._known = known
        self.members = tuple(known.values())
        self._tell()
        for member in gone:
            member.close()

    def _tell(self) -> None:
        for tell in self.changed:
            tell()

    def _made(self, entry: ServerEntry, ip: str) -> Member:
        options = self._options
        endpoint = Endpoint(options, entry, self._tls, ip)
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
            self._tell,
            weight=entry.weight,
            backup=entry.backup,
        )
