"""Requests under way where no other process shares the store: there is nobody to wait for."""

from proxy.core.stored import Claim
from proxy.policy.key_changes import Changes


class OwnClaims:
    """Knows when a request began."""

    __slots__ = ("_changes", "shared")

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.shared = False

    async def take(self, name: bytes = b"") -> Claim:
        """Without a lease: the requests of one process share a call in any case."""
        return Claim(self._changes.now, name)

    def take_later(self) -> Claim:
        """A claim without a lease."""
        return Claim(self._changes.now)

    async def holder(self, _: bytes) -> bytes:
        """Nobody has a lease."""
        return b""

    def renew(self, claim: Claim) -> None:
        """There is none."""

    def give_back(self, claim: Claim) -> None:
        """There is none."""
