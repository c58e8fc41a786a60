"""The ready line, and what systemd is told: readiness (sd_notify) and its watchdog."""

import asyncio
import contextlib
import os
import socket
import sys


def say_ready(**listened: str) -> None:
    """Tell whoever reads standard error, with the addresses by what they are for, and others."""
    told = (f" {name}={address}" for name, address in listened.items() if address)
    print(f"ready{''.join(told)}", file=sys.stderr, flush=True)
    notify("READY=1")


def notify(state: str) -> None:
    """Tell the service manager, where there is one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)


class Watchdog:
    """Says that the loop turns, twice in the time that the service manager gives for it.

    A loop that stands still says nothing, and the service manager starts another process
    (``WatchdogSec=`` of the unit).
    """

    __slots__ = ("_loop", "_timer", "_wait")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        limit = os.environ.get("WATCHDOG_USEC", "")
        meant = os.environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        self._wait = int(limit) / 2_000_000 if meant and limit.isdecimal() else 0.0
        if self._wait:
            self._tell()

    def _tell(self) -> None:
        notify("WATCHDOG=1")
        self._timer = self._loop.call_later(self._wait, self._tell)

    def close(self) -> None:
        """Say no more."""
        if self._timer is not None:
            self._timer.cancel()
