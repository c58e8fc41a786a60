"""The connections to servers that belong to one client, see ``http/logins``."""

from collections.abc import Hashable
from typing import Any, Protocol


class Held(Protocol):
    """An upstream connection that waits for its client."""

    def close(self) -> None:
        """Close it."""


class Transport(Protocol):
    """A connection that knows its addresses."""

    def get_extra_info(self, name: str) -> Any:
        """As asyncio's transports have it: ``peername``, ``sockname``."""


class Ties:
    """The upstream connections that belong to one client connection, while they are not in use."""

    __slots__ = ("closed", "held", "introduced", "transport")

    def __init__(self) -> None:
        self.transport: Transport | None = None
        """The client's connection, while it stands."""
        self.introduced: dict[Hashable, tuple[bytes, Held]] = {}
        """By pool: connections that began by saying who the client is, and with which words."""
        self.held: dict[Hashable, tuple[str, Held]] = {}
        """By the pool that each came from: the name of its server, and the connection."""
        self.closed = False

    @property
    def servers(self) -> set[str]:
        """The names of the servers that know this client."""
        return {name for name, _ in self.held.values()}

    def forget(self, pool: Hashable, connection: Held) -> bool:
        """A connection has ended; whether it was waiting here."""
        for known in (self.held, self.introduced):
            if pool in known and known[pool][1] is connection:
                del known[pool]
                return True
        return False

    def close(self) -> None:
        """The client has gone, and its logins with it."""
        self.closed = True
        self.transport = None
        while self.introduced:
            self.introduced.popitem()[1][1].close()
        while self.held:
            self.held.popitem()[1][1].close()
