"""A worker: a proxy on what its parent has bound, in a process of its own."""

import asyncio
import contextlib
import logging
import pickle
import signal
import socket
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from proxy.admin.source import answered
from proxy.config.model import Config
from proxy.run.descriptors import descriptors
from proxy.run.memory import Memory, settle_memory
from proxy.run.observation import logged
from proxy.run.reasons import CannotReload, CannotStart
from proxy.run.runtime import Prepared, Runtime
from proxy.run.serve import run_in_loop
from proxy.run.stop import CUT, FAILED_TO_START
from proxy.run.workers.balance import Balance, Counts
from proxy.run.workers.inherited import Accepting, Inherited
from proxy.run.workers.link import Link
from proxy.run.workers.shares import share
from proxy.run.workers.shelf import INBOX, taken
from proxy.run.workers.totals import packed
from proxy.telemetry.log import AccessLog
from proxy.telemetry.standard_error import standard_error
from proxy.telemetry.writer import OutputLock

log = logging.getLogger(__name__)

FAREWELL: Final = 2.0
"""Seconds in which a parent has to hear that a worker has ended."""


def work(slot: int, descriptors: Sequence[int]) -> int:
    """Serve until told to end; the exit code, as of ``run/serve``.

    ``descriptors``, in this order: the link, the shelf, the memory that all share, our inbox, the
    ends where each slot's inbox is filled, and the sockets of each address.
    """
    lock = OutputLock(descriptors[2])
    with standard_error(lock):
        return run_in_loop(lambda: Worker(slot, descriptors, lock).run())


class Worker:
    """In the running loop."""

    def __init__(self, slot: int, descriptors: Sequence[int], lock: OutputLock) -> None:
        self._slot = slot
        self._descriptors = descriptors
        self._lock = lock
        self._link: Link
        self._shelf = socket.socket(fileno=descriptors[1])
        self._inherited: Inherited
        self._runtime: Runtime | None = None
        self._prepared: Prepared | None = None
        self._slots = 1
        self._told: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._readiness_fails = False
        self._end = asyncio.Event()
        """Whether to take no more connections."""
        self._replaced = False
        self._cut = asyncio.Event()

    async def run(self) -> int:
        """The exit code."""
        loop = asyncio.get_running_loop()
        end = socket.socket(fileno=self._descriptors[0])
        self._link = await Link.over(end, self._answer, self._notice, self._closed)
        try:
            start = await self._told
        except asyncio.CancelledError:
            return FAILED_TO_START  # the parent has ended
        # SIGTERM to all processes, as of systemd, is the parent's to act on.
        loop.add_signal_handler(signal.SIGTERM, self._link.tell, "replace")
        name_worker(self._slot)
        self._slots = start["slots"]
        return await self._serve(self._share(start["config"]), start)

    def _share(self, data: bytes) -> Config:
        """Our part of a whole configuration."""
        config: Config = pickle.loads(data)
        return share(config, self._slot, self._slots)

    async def _serve(self, config: Config, start: dict[str, Any]) -> int:
        access = AccessLog(config.log, lock=self._lock)

        counts = Counts(self._descriptors[2], start["slots"])
        try:
            found = descriptors()
            self._inherited = self._inherit(counts, start)
            self._runtime = runtime = Runtime(
                config, (), found, self._inherited, follow=logged(access)
            )
            await runtime.open()
            for question, values in start["kept"]:
                with contextlib.suppress(ValueError):  # it is not of this configuration any more
                    await answered(runtime.answers, question, values)
        except CannotStart as error:
            await self._say("failed", why=str(error))
            return FAILED_TO_START
        settle_memory()
        memory = Memory(asyncio.get_running_loop())
        if self._readiness_fails:
            runtime.fail_readiness()
        self._link.tell("ready")
        await self._end.wait()
        clean = await self._drained(runtime)
        samples = packed(runtime.describe())
        await runtime.close()
        memory.close()
        access.close()
        await self._say("ended", clean=clean, samples=samples)
        return 0 if clean else CUT

    def _inherit(self, counts: Counts, start: dict[str, Any]) -> Inherited:
        number: int = start["slots"]
        inbox, *rest = (socket.socket(fileno=each) for each in self._descriptors[3:])
        sending, listening = rest[:number], iter(rest[number:])
        listeners = {
            address: Accepting([next(listening) for _ in range(sockets)])
            for address, sockets in start["sockets"]
        }
        balance = Balance(self._slot, counts, sending, inbox)
        return Inherited(start["instance"], listeners, balance)

    async def _drained(self, runtime: Runtime) -> bool:
        """Whether nothing was cut."""
        drain = asyncio.ensure_future(runtime.drain(replaced=self._replaced))
        cut = asyncio.ensure_future(self._cut.wait())
        await asyncio.wait((drain, cut), return_when=asyncio.FIRST_COMPLETED)
        cut.cancel()
        if drain.done():
            return drain.result()
        left = runtime.under_way
        log.warning("told to end at once: cutting %s", left)
        drain.cancel()
        return not left.requests

    async def _say(self, question: str, **values: Any) -> None:
        """Have the parent know, where it lives."""
        with contextlib.suppress(ValueError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._link.ask(question, **values)

    # What the parent says

    async def _answer(self, question: str, values: dict[str, Any]) -> Any:
        if question == "alive":  # see heartbeat
            return None
        if self._runtime is None:
            raise ValueError("this worker has not started yet")
        if question == "samples":
            return packed(await self._runtime.samples())
        if question == "borrow":
            await self._borrow(**values)
            return None
        if question == "give_back":
            await self._inherited.give_back(values["slot"])
            return None
        if question.endswith("_reload"):
            await self._reload(self._runtime, question, values)
            return None
        return await answered(self._runtime.answers, question, values)

    async def _borrow(self, slot: int, number: int) -> None:
        """Take the connections of a slot without a worker, see ``loans``."""
        found = taken(self._shelf, number)
        inbox = found.pop(INBOX, ())
        sockets = list(chain.from_iterable(found.values()))
        if self._end.is_set() or not inbox:
            for one in (*sockets, *inbox):
                one.close()
            raise ValueError("this worker ends")
        try:
            await self._inherited.borrow(slot, sockets, *inbox)
        except OSError as error:
            await self._inherited.give_back(slot)
            raise ValueError(str(error)) from error

    async def _reload(self, runtime: Runtime, step: str, values: dict[str, Any]) -> None:
        prepared, self._prepared = self._prepared, None
        if step == "commit_reload":
            if prepared is None:
                raise ValueError("nothing was prepared")
            await runtime.commit(prepared)
            return
        if prepared is not None:
            await runtime.abandon(prepared)
        offered = taken(self._shelf, values["number"]) if step == "prepare_reload" else {}
        self._inherited.offer({name: Accepting(sockets) for name, sockets in offered.items()})
        if step == "prepare_reload":
            try:
                self._prepared = await runtime.prepare(self._share(values["config"]))
            except CannotReload as error:
                raise ValueError(str(error)) from error

    def _notice(self, name: str, values: dict[str, Any]) -> None:
        notices: dict[str, Callable[[], None]] = {
            "start": lambda: self._told.set_result(values),
            "fail_readiness": self._fail_readiness,
            "retire": lambda: self._retire(replaced=True),
            "drain": lambda: self._retire(replaced=False),
            "cut": self._cut.set,
        }
        notices[name]()

    def _fail_readiness(self) -> None:
        self._readiness_fails = True
        if self._runtime is not None:
            self._runtime.fail_readiness()

    def _retire(self, *, replaced: bool) -> None:
        if not self._end.is_set():
            self._replaced = replaced
        self._end.set()

    def _closed(self) -> None:
        """The parent has ended, and nobody starts us again: finish what is under way."""
        if not self._told.done():
            self._told.cancel()
        if not self._end.is_set():
            log.error("the parent process has ended: draining")
        self._retire(replaced=False)


def name_worker(slot: int) -> None:
    """Have each line of the log say which worker it is of."""
    make = logging.getLogRecordFactory()

    def made(*args: Any, **values: Any) -> logging.LogRecord:
        record = make(*args, **values)
        record.worker = slot
        return record

    logging.setLogRecordFactory(made)
