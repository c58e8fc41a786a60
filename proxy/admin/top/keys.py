"""What is typed while something is shown: ``q`` ends it, as in ``top`` and ``less``."""

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

_END: Final = frozenset(b"qQ\x04")  # Ctrl-D as well
_READ: Final = 64


@contextlib.contextmanager
def keys(*, once: bool = False) -> Iterator[Callable[[float], bool]]:
    """Have keys told as they are typed, and not shown; the terminal is as before afterwards.

    Gives what waits for so many seconds, and says whether one was typed that ends it. Nothing is
    read where it is shown ``once``, or where standard input is not the terminal of a command in the
    foreground.
    """
    with contextlib.ExitStack() as stack:
        yield _until_typed if not once and _taken(stack) else _asleep


def _taken(stack: contextlib.ExitStack) -> bool:
    try:
        import termios  # noqa: PLC0415  (not on every system)
        import tty  # noqa: PLC0415

        descriptor = sys.stdin.fileno()
        if os.tcgetpgrp(descriptor) != os.getpgrp():  # it would be stopped
            return False
        before = termios.tcgetattr(descriptor)
        stack.callback(termios.tcsetattr, descriptor, termios.TCSADRAIN, before)
        tty.setcbreak(descriptor)
    except (ImportError, AttributeError, OSError, ValueError, termios.error):
        return False
    return True


def _asleep(seconds: float) -> bool:
    time.sleep(max(0.0, seconds))
    return False


def _until_typed(seconds: float) -> bool:
    descriptor, until = sys.stdin.fileno(), time.monotonic() + seconds
    while select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
        typed = os.read(descriptor, _READ)
        if not typed or not _END.isdisjoint(typed):  # the terminal is gone, or one of these
            return True
    return False
