"""How one link of a route lets another share its calls."""

from typing import Protocol

from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply


class Sharing(Protocol):
    """How equal requests that are under way share one call; ``middleware/coalesce`` has it."""

    @property
    def inner(self) -> Handler:
        """What sends a request that shares nothing."""

    @property
    def wait_timeout(self) -> float:
        """Seconds that a request waits for the head of a call of others; 0 for any time."""

    def joined_for(self) -> float:
        """Seconds without a byte from the upstream for which requests join a call."""

    async def share(
        self,
        exchange: Exchange,
        send: Handler,
        mark: bytes = b"",
        content: bytes | None = None,
    ) -> Reply | None:
        """The reply of the call that equal requests with this ``mark`` share.

        ``send`` makes the call where there is none yet. ``content``: the body, which has been read;
        then a request of any method may share. None where the request has to go alone.
        """
