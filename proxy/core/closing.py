"""How several things end, one after the other."""

import logging
from collections.abc import Iterable
from typing import Protocol

from proxy.core.errors import forget_frames

log = logging.getLogger(__name__)


class Closes(Protocol):
    """Something that ends."""

    async def close(self) -> None:
        """Nobody uses it any more."""


async def close_all(things: Iterable[Closes]) -> None:
    """One that fails at it is logged, and keeps none of those behind it from ending."""
    for thing in things:
        try:
            await thing.close()
        except Exception as error:
            log.exception("%s could not be closed", type(thing).__name__)
            forget_frames(error)
