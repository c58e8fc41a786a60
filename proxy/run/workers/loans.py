"""What happens to the connections of a slot whose worker cannot be started.

Its sockets listen on, since the parent holds them, so the kernel goes on to put its share of the
new connections into their queues. If no worker serves the slot within a second, another one is lent
the sockets, and the inbox with what was handed over: it takes the connections until the slot has
had a worker for a second. A loan ends with a reload, which may change the addresses, and with the
borrower; the next one follows at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from proxy.run.workers.member import Member
from proxy.run.workers.outfit import Outfit
from proxy.run.workers.roster import Roster
from proxy.run.workers.shelf import put

log = logging.getLogger(__name__)

EMPTY: Final = 1.0
"""Seconds that a slot is without a worker until it is lent: ten times what a start takes."""


class SlotLoans:
    """Which slots are lent to other workers."""

    def __init__(self, roster: Roster, outfit: Outfit, ended: Callable[[], bool]) -> None:
        """``ended``: whether nothing is lent any more."""
        self._roster = roster
        self._outfit = outfit
        self._ended = ended
        self._watched: set[int] = set()
        self._number = 0
        """Of the last loan; those of reloads are above zero."""
        self.turn = asyncio.Lock()
        """Of a loan or a reload: a shelf holds the sockets of one."""

    async def watch(self, slot: int) -> None:
        """Its worker has ended: see to the slot until the next one serves."""
        if slot in self._watched:
            return
        self._watched.add(slot)
        borrower: Member | None = None
        try:
            await asyncio.sleep(EMPTY)
            while not self._is_over(slot):
                version = self._outfit.version
                borrower = await self._lend(slot)
                if borrower is not None:
                    over = partial(self._lasts_no_more, slot, borrower, version)
                    await self._roster.until(over)
                if borrower is None or self._is_over(slot):  # a worker may end again at once
                    await asyncio.sleep(EMPTY)
        finally:
            self._watched.discard(slot)
        if borrower is not None and not self._ended():
            with contextlib.suppress(ValueError, TimeoutError):
                await borrower.ask("give_back", {"slot": slot})
            log.info("worker %d takes its connections itself again", slot)

    def _is_over(self, slot: int) -> bool:
        return self._ended() or self._roster.serves(slot)

    def _lasts_no_more(self, slot: int, borrower: Member, version: int) -> bool:
        return borrower.state != "serving" or self._outfit.version != version or self._is_over(slot)

    async def _lend(self, slot: int) -> Member | None:
        """Who has it now; None where nobody can have it."""
        async with self.turn:
            serving = self._roster.serving
            if self._is_over(slot) or not serving:
                return None
            borrower = serving[slot % len(serving)]
            self._number -= 1
            try:
                for name, sockets in self._outfit.queues(slot).items():
                    if borrower.shelf is not None:
                        put(borrower.shelf, self._number, name, sockets)
                await borrower.ask("borrow", {"slot": slot, "number": self._number})
            except (OSError, ValueError) as error:
                log.warning("the connections of worker %d cannot be lent: %s", slot, error)
                return None
        log.warning(
            "worker %d cannot be started: worker %d takes its connections", slot, borrower.slot
        )
        return borrower
