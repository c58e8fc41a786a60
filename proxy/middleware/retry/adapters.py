"""What aiohttp-retry takes for a session and for a response."""

from typing import Protocol

from proxy.core.reply import Reply


class Attempts(Protocol):
    """Makes the attempts of one exchange."""

    async def attempt(self) -> Reply:
        """The next one."""


class AttemptResponse:
    """A reply as aiohttp-retry sees it."""

    __slots__ = ("method", "reply", "status")

    def __init__(self, method: str, reply: Reply) -> None:
        self.method = method
        self.status = reply.status
        self.reply = reply


class AttemptSession:
    """The session that aiohttp-retry is given: a request on it is one attempt of the loop."""

    __slots__ = ()

    async def request(
        self, method: str, url: str, *, loop: Attempts, **_: object
    ) -> AttemptResponse:
        """One attempt of the loop."""
        return AttemptResponse(method, await loop.attempt())
