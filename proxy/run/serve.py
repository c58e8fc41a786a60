"""The process: loop, signals, ready line, exit code."""

import asyncio
import gc
import logging
import signal
import sys

from proxy.config.model import Config
from proxy.run.notify import notify
from proxy.run.runtime import CannotStart, Runtime
from proxy.telemetry.log import AccessLog, configure

log = logging.getLogger(__name__)

FAILED_TO_START = 3
CUT = 1
"""Exit code where requests were cut."""
COLLECT = (1_000, 10, 100)
"""Thresholds of the three generations: all that lives is looked at once in a million objects."""


def run(config: Config) -> int:
    """Serve until told to stop. Returns the exit code: 0 after a clean drain, see above."""
    configure(config.log)
    try:
        import uvloop  # noqa: PLC0415  (absent on some platforms)
    except ImportError:
        return asyncio.run(serve(config))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(config))


def settle_memory() -> None:
    """Keep the garbage collector from stopping the loop for long.

    What start-up made lives for good. Requests leave no cycles behind, so a look at all that lives
    is rarely worth its time: by default there is one whenever a quarter more lives than at the
    last, and with thousands of requests in flight each takes tenths of a second.
    """
    gc.freeze()
    gc.set_threshold(*COLLECT)


async def serve(config: Config) -> int:
    """Open, wait for a signal, drain, close."""
    stop = Stop()
    access = AccessLog(config.log) if config.log.access else None
    runtime = Runtime(config, (access.record,) if access is not None else ())
    try:
        await runtime.open()
    except CannotStart as error:
        print(f"sidecar-proxy: cannot start: {error}", file=sys.stderr)
        return FAILED_TO_START
    settle_memory()
    ready = f"ready http={','.join(runtime.http)}"
    if runtime.admin:
        ready += f" admin={runtime.admin}"
    print(ready, file=sys.stderr, flush=True)
    notify("READY=1")
    await stop.asked.wait()
    notify("STOPPING=1")
    drain = asyncio.ensure_future(runtime.drain())
    again = asyncio.ensure_future(stop.again.wait())
    await asyncio.wait((drain, again), return_when=asyncio.FIRST_COMPLETED)
    clean = drain.done() and drain.result()
    if not clean:
        why = "grace_period is over" if drain.done() else "told a second time"
        log.warning("%s: requests still in flight are cut", why)
    drain.cancel()
    again.cancel()
    await runtime.close()
    if access is not None:
        access.close()
    return 0 if clean else CUT


class Stop:
    """The first SIGTERM or SIGINT drains, a second one ends at once; SIGHUP is for later."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.again = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(
            signal.SIGHUP, log.warning, "SIGHUP ignored: reload is not supported"
        )

    def _stop(self) -> None:
        if self.asked.is_set():
            self.again.set()
        self.asked.set()
