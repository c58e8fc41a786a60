"""``[admin]`` from one configuration to the next: its listeners come, move and go.

What they show is loaded when the first of them comes.
"""

from typing import TYPE_CHECKING, NamedTuple

from proxy.admin.options import AdminOptions
from proxy.admin.source import Source
from proxy.edge.options import ServerOptions

if TYPE_CHECKING:
    from proxy.run.operators import Desks, Operators


class Next(NamedTuple):
    """What there is to be; nothing of it can fail any more."""

    options: AdminOptions | None
    operators: "Operators | None"
    desks: "Desks | None"
    """Where the operators that there are go on with other options."""


class AdminListeners:
    """The admin listeners of this process; it may have none."""

    def __init__(self, source: Source) -> None:
        """``source``: what they show."""
        self._source = source
        self._operators: Operators | None = None

    @property
    def address(self) -> str:
        """Of the admin listener, empty where there is none."""
        return self._operators.address if self._operators is not None else ""

    @property
    def probes(self) -> str:
        """Of the listener for probes alone, empty where there is none."""
        return self._operators.probes if self._operators is not None else ""

    @property
    def by_option(self) -> dict[str, str]:
        """Both, by the options of ``[admin]``; empty where there is none."""
        return {"listen": self.address, "probes": self.probes} if self.address else {}

    async def prepare(self, options: AdminOptions | None, server: ServerOptions) -> Next:
        """Listen where other options say; ``follow`` or ``abandon`` it.

        Raises CannotListen, or OSError without a file of theirs.
        """
        if options is None:
            return Next(None, None, None)
        if self._operators is not None:
            desks = await self._operators.prepare(options, server)
            return Next(options, self._operators, desks)
        from proxy.run.operators import Operators  # noqa: PLC0415 - it is there with [admin] alone

        operators = Operators(options, server)
        try:
            await operators.open(self._source)
        except BaseException:
            await operators.close()
            raise
        return Next(options, operators, None)

    async def abandon(self, prepared: Next) -> None:
        """It is not wanted after all."""
        if prepared.operators is None:
            return
        if prepared.desks is not None:
            await prepared.operators.abandon(prepared.desks)
        elif prepared.operators is not self._operators:
            await prepared.operators.close()

    def follow(self, prepared: Next) -> None:
        """Answer there from now on; what is being asked elsewhere is answered yet."""
        before, self._operators = self._operators, prepared.operators
        if prepared.options is not None and prepared.operators is not None and prepared.desks:
            prepared.operators.follow(prepared.options, prepared.desks)
        elif before is not None:
            before.leave()

    def stop(self) -> None:
        """Accept no more."""
        if self._operators is not None:
            self._operators.stop()

    async def close(self) -> None:
        """Let go of everything."""
        if self._operators is not None:
            await self._operators.close()
