"""How a signal ends a process that has no loop to hear it.

By default SIGTERM and SIGINT do; but not in process 1, as which a container runs the proxy: the
kernel drops a signal for process 1 of a namespace that has no handler there
(pid_namespaces(7)).
"""

import os
import signal
from types import FrameType
from typing import Final, NoReturn

FIRST: Final = 1


def end_by(number: signal.Signals) -> None:
    """From now on this signal ends the process at once, without a word."""
    signal.signal(number, _end if os.getpid() == FIRST else signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """With the status that shells have for it."""
    os._exit(128 + number)
