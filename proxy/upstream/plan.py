"""What the options of an upstream ask for, made ready: nothing of it can fail later."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from proxy.upstream.address import Address
from proxy.upstream.credentials.upstream_credentials import UpstreamCredentials
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.options import ServerEntry, UpstreamOptions, entries
from proxy.upstream.session import Session
from proxy.upstream.tls_files import UpstreamTls

_ELSEWHERE: Final = frozenset({"servers", "dns_ttl"})
"""Options that do not change how a server is reached that stays."""
_BALANCING: Final = frozenset({"url", "weight", "backup"})
"""Likewise, of a server."""

Ways: TypeAlias = tuple[object, ...]


class Server(NamedTuple):
    """An entry of ``servers``, by which it is found again in other options."""

    url: str
    number: int
    """Which of the entries with this URL it is."""


class Plan:
    """What the options of one upstream ask for."""

    __slots__ = ("alone", "credentials", "entries", "names", "options", "tls", "ways")

    def __init__(
        self, options: UpstreamOptions, session: Session, before: "Plan | None" = None
    ) -> None:
        """``before``: what is used now; what has not changed is not made, or read, again.

        Raises OSError or UnusableFile where a file of the options cannot be used.
        """
        self.options = options
        self.entries = dict(_servers(options))
        shared = _ways(options)
        self.ways: dict[Server, tuple[Ways, Ways]] = {
            server: (shared, _rest(entry)) for server, entry in self.entries.items()
        }
        """All that says how each server is reached: where it is equal, connections can stay."""
        known = before
        if before is None or any(way != shared for way, _ in before.ways.values()):
            known = None
        self.tls: UpstreamTls
        """Reads its files again when they change."""
        if known is not None and (known.tls.context is not None or not _uses_tls(options)):
            self.tls = known.tls
        else:
            self.tls = UpstreamTls(options)
        self.names: dict[Server, str] = {}
        """Host names that have to be looked up."""
        for server, entry in self.entries.items():
            if known is not None and known.ways.get(server) == self.ways[server]:
                host = known.names.get(server, "")
            else:
                host = Address(options, entry, self.tls.context).lookup
            if host:
                self.names[server] = host
        self.credentials: UpstreamCredentials
        """Those that stay keep their tokens, whatever else changes."""
        if before is not None and before.options.credentials == options.credentials:
            self.credentials = before.credentials
        else:
            others = None if before is None else before.credentials
            self.credentials = UpstreamCredentials(
                options.credentials, options.name, session, before=others
            )
        self.alone: Endpoint | None = None
        """The one server that there will ever be, as soon as somebody has asked for it."""

    @property
    def changes(self) -> bool:
        """Whether there may be other servers later, without other options."""
        return bool(self.names and self.options.dns_ttl)


def _servers(options: UpstreamOptions) -> Iterator[tuple[Server, ServerEntry]]:
    seen: Counter[str] = Counter()
    for entry in entries(options):
        yield Server(entry.url, seen[entry.url]), entry
        seen[entry.url] += 1


def _uses_tls(options: UpstreamOptions) -> bool:
    return any(entry.url.startswith("https:") for entry in entries(options))


def _ways(options: UpstreamOptions) -> Ways:
    names = [name for name in UpstreamOptions.__struct_fields__ if name not in _ELSEWHERE]
    return tuple(getattr(options, name) for name in names)


def _rest(entry: ServerEntry) -> Ways:
    names = [name for name in entry.__struct_fields__ if name not in _BALANCING]
    return tuple(getattr(entry, name) for name in names)
