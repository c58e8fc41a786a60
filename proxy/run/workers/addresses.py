"""All addresses of ``[server] listen``, as the parent holds them, and how they change."""

from collections.abc import Sequence

from proxy.edge.options import ServerOptions
from proxy.run.sockets.unix import Undo, put_back
from proxy.run.workers.sockets import Bound


class Addresses:
    """The addresses on which the workers listen."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._undo: list[Undo] = []
        """What puts back the rights of unix sockets that were changed for what is prepared."""
        self.bound: tuple[Bound, ...] = ()
        """In the order of ``listen``."""

    @property
    def by_address(self) -> dict[str, list[str]]:
        """As they are, by what was asked for."""
        return {bound.asked: bound.addresses for bound in self.bound}

    def prepare(self, server: ServerOptions) -> tuple[Bound, ...]:
        """What there is to be: those that stay, and new ones. ``follow`` or ``abandon`` it.

        Unix sockets that stay have their mode and owner at once: that may fail.

        Raises CannotListen.
        """
        here = {bound.asked: bound for bound in self.bound}
        found: list[Bound] = []
        try:
            for address in dict.fromkeys(server.addresses):
                if (one := here.get(address)) is not None:
                    self._undo.append(one.change_rights(server))
                found.append(one or Bound(address, server, self._slots))
        except BaseException:
            self.abandon(found)
            raise
        return tuple(found)

    def abandon(self, prepared: Sequence[Bound]) -> None:
        """They are not wanted after all."""
        put_back(self._undo)
        for bound in prepared:
            if bound not in self.bound:
                bound.close()

    def follow(self, prepared: Sequence[Bound]) -> None:
        """These it is from now on. The workers have let those in who wait at one that goes."""
        before, self.bound = self.bound, tuple(prepared)
        self._undo.clear()
        for bound in before:
            if bound not in self.bound:
                bound.close()

    def close(self) -> None:
        """Let go of all; workers have their own."""
        for bound in self.bound:
            bound.close()
