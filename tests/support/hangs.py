"""How a test that hangs is ended, and what it was waiting for.

A test gets 300 seconds (``timeout`` in pyproject.toml). Then pytest-timeout prints the stacks of
the other threads and raises in the main one. Where a loop runs, that is not right: a task that
waits is on no stack, uvloop swallows what a signal handler raises, and a task into which it raises
may never be woken again. So there the tasks are printed, and the loop is stopped; only if it does
not stop, since something blocks it, the handler raises. If a test does not end by that either,
``faulthandler_timeout`` prints the stacks and ends the process. With ``--dist loadfile``, xdist
would run it again in a new process, and the others of its file never: so ``make test`` starts none.
"""

import asyncio
import faulthandler
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

import pytest
from _pytest.faulthandler import (
    fault_handler_stderr_fd_key,
)  # nothing public has what is not captured

_TO_STOP: Final = 5.0
"""Seconds that a loop has to stop."""


def show_tasks_at_timeout() -> None:
    """Have the timer of a test, which is set, show the tasks and stop the loop."""
    ends_it = signal.getsignal(signal.SIGALRM)
    if not callable(ends_it):  # this test has no timer
        return
    stopping = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        try:
            ends_it(number, frame)  # if somebody debugs, it returns
        except pytest.fail.Exception as error:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                raise error from None
            if stopping:
                raise
            stopping = True
            print(error, "These tasks were left:", file=sys.stderr)
            for task in asyncio.all_tasks(loop):
                print(f"{task.get_name()}:", *waits(task), sep="\n  ", file=sys.stderr)
            loop.call_soon_threadsafe(loop.stop)  # which wakes a loop that waits for sockets
            signal.setitimer(signal.ITIMER_REAL, _TO_STOP)

    signal.signal(signal.SIGALRM, handle)


def bound_teardown(item: pytest.Item) -> None:
    """When a test has failed, pytest stops its clocks, so that one may debug: set one anew."""
    limit = float(item.config.getini("faulthandler_timeout") or 0)
    if limit and not item.config.getoption("usepdb"):
        errors = item.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(limit, exit=True, file=errors)


def waits(task: asyncio.Task[Any]) -> Iterator[str]:
    """Where a task waits, the innermost call last."""
    at: Any = task.get_coro()
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "ag_frame", None)
        if frame is None:
            yield f"for {at!r}"
            return
        code = frame.f_code
        yield f'File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}'
        at = getattr(at, "cr_await", None) or getattr(at, "ag_await", None)
