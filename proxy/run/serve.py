"""The process: loop, ready line, exit code. Its signals are in ``run/stop``."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from proxy.config.cores import workers
from proxy.config.model import Config
from proxy.config.piped import piped
from proxy.core.recording_mode import RecordingMode
from proxy.core.redaction import conceal
from proxy.run.descriptors import descriptors
from proxy.run.memory import Memory, settle_memory
from proxy.run.notify import Watchdog, notify, say_ready
from proxy.run.observation import logged
from proxy.run.orphans import are_ours, reap
from proxy.run.reasons import CannotStart, reason
from proxy.run.reload import Read
from proxy.run.runtime import Runtime
from proxy.run.sockets.inherited import accept_sockets, sockets
from proxy.run.stop import CUT, FAILED_TO_START, Stop, reload_later
from proxy.run.versions import warn_of_untested
from proxy.run.watch import Watch
from proxy.telemetry.log import AccessLog, configure

log = logging.getLogger(__name__)


def run(
    config: Config,
    read: Read | None = None,
    watch: str = "",
    *,
    recording_mode: RecordingMode | None = None,
) -> int:
    """Serve until told to stop. Returns the exit code: 0 after a clean drain, 1 or 3 as below.

    ``read`` reads the configuration again, for a reload; it may run in a thread. ``watch``: the
    file of it, to be looked at with those that it names; empty where nothing is watched.
    ``recording_mode``: what is recorded or replayed, by one worker.
    """
    configure(config.log)
    accept_sockets()
    warn_of_untested()
    number = workers(config.server.workers)
    if number == 1:
        return run_in_loop(lambda: serve(config, read, watch, recording_mode))
    why = ""
    if sockets():
        why = "sockets of the service manager (socket activation) are for [server] workers = 1"
    elif pipe := next(piped(config), None):
        why = pipe.message
    if why:
        print(f"sidecar-proxy: cannot start: {why}", file=sys.stderr)
        return FAILED_TO_START
    from proxy.run.workers.parent import serve_by_workers  # noqa: PLC0415  (it is rarely wanted)

    return run_in_loop(lambda: serve_by_workers(config, number, read, watch))


def run_in_loop(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """The result of ``main``, which is called in the loop that the proxy runs on."""

    async def run() -> int:
        if not are_ours():
            return await main()
        reaping = asyncio.create_task(reap())
        try:
            return await main()
        finally:
            reaping.cancel()

    try:
        import uvloop  # noqa: PLC0415  (absent on some platforms)
    except ImportError:
        return asyncio.run(run())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


async def serve(
    config: Config,
    read: Read | None = None,
    watch: str = "",
    recording_mode: RecordingMode | None = None,
) -> int:
    """Open, wait for a signal, drain, close."""
    stop = Stop()
    access = AccessLog(config.log)

    follow = logged(access)
    watching = None
    try:
        runtime = Runtime(
            config,
            descriptors=descriptors(),
            read=read,
            follow=follow,
            recording_mode=recording_mode,
        )
        if (reloader := runtime.reloader) is not None:
            stop.on_hangup = partial(reload_later, reloader)
            if watch:
                watching = Watch(partial(reloader.files, watch), reloader.watched)
        await runtime.open()
    except (CannotStart, OSError) as error:
        why = conceal(reason(error)) if isinstance(error, OSError) else error
        print(f"sidecar-proxy: cannot start: {why}", file=sys.stderr)
        return FAILED_TO_START
    except Exception as error:  # Python's 1 would say that a stop has cut requests
        log.error("cannot start", exc_info=error)
        return FAILED_TO_START
    sockets().tell_unused()
    settle_memory()
    memory = Memory(asyncio.get_running_loop())
    say_ready(http=",".join(runtime.http), admin=runtime.admin, probes=runtime.probes)
    watchdog = Watchdog()
    if watching is not None:
        watching.open()
    await stop.asked.wait()
    if watching is not None:
        await watching.close()
    log.info("%s: stopping", stop.by)
    notify("STOPPING=1")
    drain = asyncio.ensure_future(runtime.drain())
    again = asyncio.ensure_future(stop.again.wait())
    await asyncio.wait((drain, again), return_when=asyncio.FIRST_COMPLETED)
    if drain.done():
        clean = drain.result()
    else:
        left = runtime.under_way
        clean = not left.requests
        log.warning("%s again: cutting %s", stop.by, left)
    drain.cancel()
    again.cancel()
    await runtime.close()
    memory.close()
    watchdog.close()
    access.close()
    return 0 if clean else CUT
