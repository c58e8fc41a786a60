"""What the options of an upstream ask for, made ready: nothing of it can fail later."""

import os
import ssl
import stat
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from proxy.upstream.address import Address, tls_context
from proxy.upstream.credentials import CredentialsFile
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.options import ServerEntry, UpstreamOptions, entries

_ELSEWHERE: Final = frozenset({"servers", "dns_ttl"})
"""Options that do not change how a server is reached that stays."""
_BALANCING: Final = frozenset({"url", "weight", "backup"})
"""Likewise, of a server."""

Ways: TypeAlias = tuple[object, ...]


class Server(NamedTuple):
    """An entry of ``servers``, by which it is found again in other options."""

    url: str
    number: int
    """Of those with this URL."""


class Plan:
    """Of one upstream."""

    __slots__ = ("alone", "credentials_file", "entries", "names", "options", "tls", "ways")

    def __init__(self, options: UpstreamOptions, before: "Plan | None" = None) -> None:
        """``before``: what is used now; what has not changed is not made, or read, again.

        Raises OSError or ssl.SSLError where a file of the options cannot be used.
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
        self.tls: ssl.SSLContext | None
        self.tls = known.tls if known is not None and known.tls else tls_context(options)
        self.names: dict[Server, str] = {}
        """Those that are looked up."""
        for server, entry in self.entries.items():
            if known is not None and known.ways.get(server) == self.ways[server]:
                host = known.names.get(server, "")
            else:
                host = Address(options, entry, self.tls).lookup
            if host:
                self.names[server] = host
        self.credentials_file: CredentialsFile | None = None
        shown = options.credentials
        if known is not None:
            self.credentials_file = known.credentials_file
        elif shown is not None and stat.S_ISREG(_mode(shown.value_file)):
            self.credentials_file = CredentialsFile(shown)
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


def _ways(options: UpstreamOptions) -> Ways:
    names = [name for name in UpstreamOptions.__struct_fields__ if name not in _ELSEWHERE]
    return (*[getattr(options, name) for name in names], *marks(options))


def _rest(entry: ServerEntry) -> Ways:
    names = [name for name in entry.__struct_fields__ if name not in _BALANCING]
    return tuple(getattr(entry, name) for name in names)


def marks(options: UpstreamOptions) -> Iterator[object]:
    """What changes with the files of ``[upstreams.tls]``, which are read once."""
    tls = options.tls
    for path in (
        () if tls is None else (tls.ca_file, tls.cert_file, tls.key_file, tls.password_file)
    ):
        try:
            found = os.stat(path) if path else None
        except OSError:
            found = None
        if found is not None:
            yield (path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _mode(path: str) -> int:
    """The kind of a file; 0 where there is none. A pipe gives its bytes once only."""
    try:
        return os.stat(path).st_mode if path else 0
    except OSError:
        return 0
