"""The proxy's own credentials for an upstream, as the middleware that shows them sees them."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from proxy.policy.keys import Key, Keys

Field: TypeAlias = tuple[bytes, bytes]
"""Name and value of the field that shows them."""


class Credentials(Protocol):
    """All credentials for one upstream; they may change while they are used."""

    @property
    def keys(self) -> Sequence[Key]:
        """In the order of the file; one, or several to choose from."""

    @property
    def choice(self) -> Keys:
        """Which of them is next."""

    @property
    def names(self) -> frozenset[bytes]:
        """Fields of a client that are not sent, those of all keys: in lower case, with dashes."""

    async def ready(self, key: Key, until: float) -> Field:
        """The field of a key, waiting until then for one that is on its way; ``until`` monotonic.

        Raises CredentialsUnavailable where there is none.
        """

    async def refused(self, key: Key, shown: Field, until: float) -> bool:
        """The upstream has refused what was shown: whether there is something else to show now."""
