"""Signals while the process starts: it has no loop yet, and nothing to drain.

Python turns SIGINT into an error of whatever line it is at, which would be shown to the operator
with all its frames. SIGHUP and SIGUSR1 come from supervisors and log rotation at any time; by
default they kill.
"""

import signal
from typing import Final

from proxy.core.ending_signals import end_by

_END: Final = (signal.SIGINT, signal.SIGTERM)
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def settle() -> None:
    """From now on, and until ``run/stop`` has its own handlers."""
    for number in _END:
        end_by(number)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
