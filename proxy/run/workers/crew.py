"""The workers, as their parent sees them: started, replaced, asked, told to end."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final

from proxy.config.model import Config
from proxy.core.clock import monotonic
from proxy.core.samples import Sample, counter, gauge
from proxy.core.tasks import keep
from proxy.run.workers import reload
from proxy.run.workers.backoff import RestartBackoff
from proxy.run.workers.balance import Counts
from proxy.run.workers.heartbeat import Heartbeat
from proxy.run.workers.link import Link
from proxy.run.workers.loans import SlotLoans
from proxy.run.workers.member import Member
from proxy.run.workers.nursery import CannotFork, Nursery
from proxy.run.workers.outfit import Outfit
from proxy.run.workers.roster import Roster
from proxy.run.workers.shelf import shelf
from proxy.run.workers.sockets import Bound
from proxy.run.workers.totals import Totals, unpacked

log = logging.getLogger(__name__)

GIVEN_UP: Final = 1.0
"""Seconds of a wait at which a start has failed, where the slot has never served."""
SETTLING: Final = 0.1
"""Seconds from a SIGTERM to a worker until it is replaced: the parent may be about to get one."""


class Crew:
    """All of them."""

    def __init__(self, config: Config, slots: int, addresses: Sequence[Bound]) -> None:
        self.slots = slots
        self._outfit = Outfit(config, slots, addresses)
        self._counts = Counts(self.memory, slots)
        self._nursery = Nursery((self.memory,), self._exited)
        self._backoffs = [RestartBackoff() for _ in range(slots)]
        self.roster = Roster()
        self._loans = SlotLoans(self.roster, self._outfit, lambda: self.stopping)
        self.heartbeat = Heartbeat(lambda: self.members, self._counts.leave)
        self._totals = Totals()
        self._tasks = set[asyncio.Task[None]]()
        self.restarts = self._reloads = 0
        self.stopping = self.leaving = self.closed = False
        self.all_clean = True
        """Whether no worker has cut a request since the stop began."""
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why a worker cannot start, before all have."""
        self.started = asyncio.Event()
        """Whether all have been serving at the same time."""
        self.gone = asyncio.Event()
        """Whether none lives any more, once they were told to end."""

    @property
    def memory(self) -> int:
        """The file that all processes share, for turns at the output too."""
        return self._outfit.memory

    @property
    def members(self) -> list[Member]:
        """Workers that are alive."""
        return self.roster.members

    @property
    def serving(self) -> list[Member]:
        """Those that take new connections."""
        return self.roster.serving

    async def reload(self, config: Config, addresses: Sequence[Bound]) -> None:
        """Have all use another configuration. Raises CannotReload, and then none does."""
        outfit = self._outfit
        self._reloads += 1
        async with self._loans.turn:
            new = outfit.without(addresses)
            asked = self.serving
            prepared = await reload.prepare(asked, config, new, self._reloads)
            outfit.follow(config, addresses)  # of workers that start from now on
            failed = await reload.commit(prepared)
        for member in prepared:
            if member not in failed:
                member.version = outfit.version
        for member in self.serving:
            if member in failed or member not in asked:  # it came while the others prepared
                self._replace(member)
        self.roster.changed()
        with contextlib.suppress(TimeoutError):  # of those that were being started meanwhile
            async with asyncio.timeout(reload.FOLLOWED):
                await self.roster.until(self._all_have_followed)

    def _all_have_followed(self) -> bool:
        return self.stopping or not self.roster.has_other_than(self._outfit.version)

    def start(self) -> None:
        """Have all slots served."""
        self._spawn(self.heartbeat.run())
        for slot in range(self.slots):
            self._spawn(self._start(slot))

    def _spawn(self, work: Any) -> None:
        keep(asyncio.get_running_loop().create_task(work), self._tasks)

    async def _start(self, slot: int, wait: float = 0.0, before: Member | None = None) -> None:
        """Start a worker, in the place of ``before`` where that one still serves."""
        await asyncio.sleep(wait)
        if self.stopping:
            return
        member, outfit, start = Member(slot), self._outfit, dict[str, Any]()
        try:
            (ours, theirs), (member.shelf, its_shelf) = socket.socketpair(), shelf()
        except OSError as error:  # no descriptor is left, which may pass
            self._cannot_start(slot, f"cannot start a worker: {error}", before)
            return

        def descriptors() -> Sequence[int]:
            member.version = outfit.version
            self.roster.forking.add(member)
            start.update(outfit.values(slot))
            return outfit.descriptors(slot, theirs, its_shelf)

        try:
            member.pid = await self._nursery.fork(slot, descriptors)
        except CannotFork as error:
            ours.close()
            member.ended()
            self._cannot_start(slot, str(error), before)
            return
        finally:
            theirs.close()
            its_shelf.close()
            self.roster.forking.discard(member)
        self.members.append(member)
        if before is not None:
            before.successor = member

        async def answer(question: str, values: dict[str, Any]) -> None:
            self._hear(member, question, values)

        member.link = await Link.over(
            ours,
            answer,
            lambda notice, values: self._hear(member, notice, values),
            lambda: self._ended(member),
        )
        member.tell("start", **start, kept=outfit.kept.now())
        if self.leaving:
            member.tell("drain")

    def _cannot_start(self, slot: int, why: str, before: Member | None = None) -> None:
        self.roster.changed()
        if not self.started.is_set():
            if not self.failed.done():
                self.failed.set_result(why)
            return
        wait = max(0.1, self._backoffs[slot].ended(monotonic()))
        log.error("worker %d cannot start: %s; again in %g s", slot, why, wait)
        if not self.stopping:
            self._spawn(self._start(slot, wait, before))

    def _hear(self, member: Member, what: str, values: dict[str, Any]) -> None:
        """What a worker says of itself."""
        if what == "ready":
            self._is_ready(member)
        elif what == "failed":
            member.state = "failed"
            member.clean = True
            before = self.roster.predecessor(member)
            self._cannot_start(member.slot, values["why"], before)
        elif what == "replace":
            asyncio.get_running_loop().call_later(SETTLING, self._replace, member)
        elif what == "ended":
            member.clean = values["clean"]
            member.samples = unpacked(values["samples"])

    def _is_ready(self, member: Member) -> None:
        if member.state == "starting":
            member.state = "serving"
        member.since = monotonic()
        for other in self.members:
            if other is not member and other.slot == member.slot and other.state == "serving":
                other.state = "retiring"
                other.tell("retire")
        if len({each.slot for each in self.serving}) == self.slots:
            self.started.set()
        if member.version != self._outfit.version:  # it was started before a reload
            self._replace(member)
        self.roster.changed()

    def _replace(self, member: Member) -> None:
        """It was asked to end, it alone: another one takes its place first."""
        if not self.stopping and member.state == "serving" and not member.replaced:
            member.replaced = True
            log.info("worker %d was told to end: another one takes its place", member.slot)
            self.restarts += 1
            self._spawn(self._start(member.slot, before=member))

    def _ended(self, member: Member) -> None:
        """Its link has closed."""
        state, member.state = member.state, "ended"
        self.members.remove(member)
        self._totals.end(member.samples)
        member.ended()
        clean = bool(member.clean)
        if self.closed:
            return
        self.roster.changed()
        if not self.roster.serves(member.slot):
            self._counts.leave(member.slot)
            if not self.stopping:
                self._spawn(self._loans.watch(member.slot))
        if self.stopping:
            self.all_clean = self.all_clean and clean
            if not self.members:
                self.gone.set()
        elif state in ("starting", "serving"):
            self._restart(member)

    def _restart(self, member: Member) -> None:
        before = self.roster.predecessor(member)
        if member.replaced:  # the other one is on its way, or there
            return
        wait = self._backoffs[member.slot].ended(monotonic())
        if wait > GIVEN_UP and not self.started.is_set():
            self._cannot_start(member.slot, "workers end before they serve")
            return
        self.restarts += 1
        again = f" in {wait:g} s" if wait else ""
        which = f"worker {member.slot}, process {member.pid}"
        log.error("%s, has ended; another one takes its place%s", which, again)
        self._spawn(self._start(member.slot, wait, before))

    def _exited(self, pid: int, status: int) -> None:
        """Its process has ended; that it has is known by its link."""
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            log.error("process %d of a worker was ended by %s", pid, name)

    # Questions

    async def ask(self, question: str, *, keep: str = "", **values: Any) -> list[Any]:
        """See ``Source.ask``."""
        given = await self.roster.ask(question, values)
        if keep:
            self._outfit.kept.keep(keep, question, values)
        return given

    def forget(self, key: str) -> None:
        """What an operator has changed does not hold any more."""
        self._outfit.kept.forget(key)

    async def look(self) -> None:
        """Have every worker tell its samples."""
        await asyncio.gather(*(member.look() for member in tuple(self.members)))

    def describe(self) -> Iterable[Sample]:
        """The sum of what they told, and how they are."""
        yield from self._totals.of(member.samples for member in self.members)
        yield gauge("workers_wanted", self.slots)
        yield gauge("workers_serving", len(self.serving))
        yield counter("workers_restarted", self.restarts)
        now = monotonic()
        for member in self.members:
            yield from member.describe(now, self._counts.get(member.slot))

    # The end

    def tell(self, notice: str) -> None:
        """Tell all."""
        self.leaving = self.leaving or notice == "drain"
        for member in self.members:
            member.tell(notice)

    def stop(self) -> None:
        """Start no more."""
        self.stopping = True
        self.roster.changed()
        if not self.members:
            self.gone.set()

    async def close(self) -> None:
        """Let go of everything; workers that live on end by themselves."""
        self.closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        for member in self.members:
            if member.link is not None:
                member.link.close()
        self._nursery.close()
        self._counts.close()
        self._outfit.close()
