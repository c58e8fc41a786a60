"""All addresses of ``[server] listen``, as the parent holds them, and how they change."""

import logging
from collections.abc import Sequence

from proxy.edge.options import ServerOptions
from proxy.run.listeners import asked
from proxy.run.reasons import CannotListen
from proxy.run.workers.sockets import Bound

log = logging.getLogger(__name__)


class Addresses:
    """Those that there are."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._rights = ("", "")
        self.bound: tuple[Bound, ...] = ()
        """In the order of ``listen``."""

    def prepare(self, server: ServerOptions) -> tuple[Bound, ...]:
        """What there is to be: those that stay, and new ones. ``follow`` or ``abandon`` it.

        Raises CannotListen.
        """
        here = {bound.asked: bound for bound in self.bound}
        found: list[Bound] = []
        try:
            for address in dict.fromkeys(asked(server)):
                one = here.get(address) or Bound(address, server, self._slots)
                found.append(one)
        except BaseException:
            self.abandon(found)
            raise
        return tuple(found)

    def abandon(self, prepared: Sequence[Bound]) -> None:
        """They are not wanted after all."""
        for bound in prepared:
            if bound not in self.bound:
                bound.close()

    def follow(self, server: ServerOptions, prepared: Sequence[Bound]) -> None:
        """These it is from now on. The workers have let those in who wait at one that goes."""
        before, self.bound = self.bound, tuple(prepared)
        rights, self._rights = self._rights, (server.unix_mode, server.unix_owner)
        for bound in before:
            if bound not in self.bound:
                bound.close()
            elif rights != self._rights:
                try:
                    bound.follow(server)
                except CannotListen as error:
                    log.error("reload: %s", error)

    def close(self) -> None:
        """Let go of all; workers have their own."""
        for bound in self.bound:
            bound.close()
