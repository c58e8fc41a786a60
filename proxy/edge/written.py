"""What aiohttp is handed when a response is out already."""

from typing import Any, Final

from aiohttp import web


class Written(web.StreamResponse):
    """A response whose bytes we wrote ourselves; aiohttp asks it nothing but this."""

    def __init__(self, keep_alive: bool) -> None:
        super().__init__()
        self._kept = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection takes another request."""
        return self._kept

    async def prepare(self, request: web.BaseRequest) -> None:
        """The head is out."""

    async def write_eof(self, data: Any = b"") -> None:
        """The body is out."""


KEPT: Final = Written(keep_alive=True)
CLOSED: Final = Written(keep_alive=False)
