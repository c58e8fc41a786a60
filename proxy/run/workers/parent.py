"""The process that serves no requests: sockets, signals, the admin listener, the ready line."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from proxy.config.in_force import in_force
from proxy.config.model import Config
from proxy.config.piped import piped
from proxy.core.clock import monotonic
from proxy.core.redaction import conceal
from proxy.core.samples import Sample
from proxy.run.admin_listeners import AdminListeners
from proxy.run.answers import explanation
from proxy.run.changes import Listening, Report, changes, possible
from proxy.run.memory import Memory, settle_memory
from proxy.run.notify import Watchdog, notify, say_ready
from proxy.run.reasons import CannotListen, CannotReload, reason
from proxy.run.reload import Read, Reloader
from proxy.run.stop import CUT, FAILED_TO_START, Stop, reload_later
from proxy.run.watch import Watch
from proxy.run.workers.addresses import Addresses
from proxy.run.workers.crew import Crew
from proxy.run.workers.shares import exceeding
from proxy.telemetry.log import configure
from proxy.telemetry.standard_error import StandardError
from proxy.telemetry.writer import OutputLock

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at the workers' samples."""
LATE: Final = 5.0
"""Seconds that workers which give signs of life have to end, beyond the grace period: they close
tunnels politely and tell how the drain ended."""


class Parent:
    """In the running loop."""

    def __init__(self, config: Config, slots: int, read: Read | None, watch: str) -> None:
        """``read`` reads the configuration again, for a reload; ``watch``: see ``serve.run``."""
        self._config = config
        self._read = read
        self._reloader = None if read is None else Reloader(read, self._reload, config)
        self._watching: Watch | None = None
        if watch and self._reloader is not None:
            self._watching = Watch(partial(self._reloader.files, watch), self._reloader.watched)
        self._slots = slots
        self._addresses = Addresses(slots)
        self._crew: Crew
        self._admin = AdminListeners(self)
        self._idle = asyncio.Event()
        """Whether no reload is under way."""
        self._idle.set()
        self._looking: asyncio.Task[None] | None = None
        self._memory: Memory | None = None

    # What the admin listener shows

    @property
    def ready(self) -> bool:
        """Whether new requests are wanted: all have been serving, and one still is."""
        crew = self._crew
        return crew.started.is_set() and not crew.stopping and bool(crew.serving)

    def describe(self) -> Iterable[Sample]:
        """The state of all."""
        yield from self._crew.describe()
        if self._reloader is not None:
            yield from self._reloader.describe(monotonic())

    async def metrics(self) -> list[Sample]:
        """The same: workers tell all at once."""
        return list(self.describe())

    async def ask(self, question: str, *, keep: str = "", **values: Any) -> list[Any]:
        """The answers of all; see ``Source``."""
        if question == "configuration":  # theirs have their shares of the limits
            return [in_force(self._config)]
        if question == "explain":  # likewise
            return [await explanation(self._config, self._read, **values)]
        if question == "reload" and self._reloader is not None:
            return [await self._reloader.answer()]
        answers = await self._crew.ask(question, keep=keep, **values)
        if question == "log_level" and values.get("level"):  # the parent has a log too
            logging.getLogger().setLevel(values["level"].upper())
        return answers

    async def _reload(self, asked: Config) -> Report:
        """Have all workers use it. Raises CannotReload, and then all is as it was."""
        if not self.ready:
            raise CannotReload("the proxy does not serve now")
        before = self._config
        config, later = possible(before, asked)
        if pipe := next(piped(config), None):
            raise CannotReload(pipe.message)
        self._idle.clear()
        try:
            await self._follow(config)
        except CannotListen as error:
            raise CannotReload(conceal(str(error))) from error
        except (OSError, ValueError) as error:
            raise CannotReload(conceal(reason(error))) from error
        finally:
            self._idle.set()
        configure(config.log, before.log)
        if config.log.level != before.log.level:
            self._crew.forget("log")
        self._warn(config)
        listening = Listening(self._addresses.by_address, self._admin.by_option)
        return changes(before, config, later, listening)

    async def _follow(self, config: Config) -> None:
        """Have the workers and the admin listener use it. Raises, and then all is as it was."""
        async with contextlib.AsyncExitStack() as undo:
            bound = self._addresses.prepare(config.server)
            undo.callback(self._addresses.abandon, bound)
            admin = await self._admin.prepare(config.admin, config.server)
            undo.push_async_callback(self._admin.abandon, admin)
            await self._crew.reload(config, bound)
            undo.pop_all()
        self._config = config
        self._addresses.follow(bound)
        self._admin.follow(admin)
        self._look_for_operators()

    # What it does

    async def run(self) -> int:
        """The exit code."""
        stop = Stop()
        if self._reloader is not None:
            stop.on_hangup = partial(reload_later, self._reloader)
        try:
            await self._open()
        except CannotListen as error:
            return await self._give_up(conceal(str(error)))
        except OSError as error:
            return await self._give_up(conceal(reason(error)))
        except Exception as error:  # as in run/serve
            log.error("cannot start", exc_info=error)
            return await self._give_up(conceal(repr(error)))
        crew = self._crew
        crew.start()
        if not await self._first(crew.started.wait(), stop.asked.wait(), crew.failed):
            return await self._give_up(crew.failed.result())
        if not stop.asked.is_set():
            settle_memory()
            self._memory = Memory(asyncio.get_running_loop())
            self._say_ready()
            if self._watching is not None:
                self._watching.open()
            watchdog = Watchdog()
            await stop.asked.wait()
            watchdog.close()  # from here on it is the time to stop that counts
        if self._watching is not None:
            await self._watching.close()
        log.info("%s: stopping", stop.by)
        notify("STOPPING=1")
        clean = await self._drain(stop)
        await self._close()
        return 0 if clean else CUT

    async def _open(self) -> None:
        server = self._config.server
        self._warn(self._config)
        addresses = self._addresses
        addresses.follow(addresses.prepare(server))
        self._crew = Crew(self._config, self._slots, addresses.bound)
        if isinstance(sys.stderr, StandardError):
            sys.stderr.share(OutputLock(self._crew.memory))
        self._admin.follow(await self._admin.prepare(self._config.admin, server))
        self._look_for_operators()

    def _warn(self, config: Config) -> None:
        for sentence in exceeding(config, self._slots):
            log.warning("%s", sentence)

    def _look_for_operators(self) -> None:
        """Once there are any: what is counted has to be known before its worker ends."""
        if self._looking is None and self._config.admin is not None:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._crew.look()

    @staticmethod
    async def _first(*waits: Any) -> bool:
        """Wait for one of them; False where the last one is it."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done = any(task.done() for task in tasks[:-1])
        for task in tasks[:-1]:
            task.cancel()
        return done

    def _say_ready(self) -> None:
        http = ",".join(each for bound in self._addresses.bound for each in bound.addresses)
        say_ready(http=http, admin=self._admin.address, probes=self._admin.probes)

    async def _give_up(self, why: str) -> int:
        print(f"sidecar-proxy: cannot start: {why}", file=sys.stderr)
        if hasattr(self, "_crew"):
            self._crew.stop()
            self._crew.tell("drain")
            self._crew.tell("cut")
            await self._gone()
        await self._close()
        return FAILED_TO_START

    async def _drain(self, stop: Stop) -> bool:
        """Whether nothing was cut."""
        crew, shutdown = self._crew, self._config.shutdown
        crew.stop()
        again = asyncio.ensure_future(stop.again.wait())
        await self._first(self._idle.wait(), stop.again.wait())  # a reload comes to its end
        if shutdown.delay:
            crew.tell("fail_readiness")
            log.info("stopping: the listeners close in %g s", shutdown.delay)
            await asyncio.wait((again,), timeout=shutdown.delay)
        # From here on a worker's socket closes when the worker closes its own.
        self._addresses.close()
        crew.tell("drain")
        gone = asyncio.ensure_future(crew.gone.wait())
        limit = shutdown.grace_period or None
        await asyncio.wait((gone, again), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if again.done():
            log.warning("%s again: ending at once", stop.by)
            crew.tell("cut")
        again.cancel()
        await self._gone()
        return crew.all_clean

    async def _gone(self) -> None:
        """Wait until no worker lives, and see to it; one that hangs is not waited for as long."""
        silent = asyncio.create_task(self._crew.heartbeat.kill_silent())
        try:
            for kill in (False, True):
                if kill:
                    self._crew.roster.kill()
                try:
                    async with asyncio.timeout(LATE):
                        await self._crew.gone.wait()
                    return
                except TimeoutError:
                    self._crew.all_clean = False
        finally:
            silent.cancel()

    async def _close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        if self._memory is not None:
            self._memory.close()
        await self._admin.close()
        if hasattr(self, "_crew"):
            await self._crew.close()
        self._addresses.close()


async def serve_by_workers(config: Config, slots: int, read: Read | None, watch: str) -> int:
    """Serve by so many workers until told to stop; the exit code, as of ``run/serve``."""
    return await Parent(config, slots, read, watch).run()
