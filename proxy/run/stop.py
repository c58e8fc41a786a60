"""The signals of the process, and the exit code that a stop ends with."""

import asyncio
import logging
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

from proxy.admin.stopping import asked_by
from proxy.core.tasks import keep
from proxy.run.reload import Outcome, Reloader

log = logging.getLogger(__name__)

FAILED_TO_START = 3
CUT = 1
"""Exit code where requests were cut."""
_IGNORED: Final = (signal.SIGUSR1, signal.SIGUSR2)
_NOTHING_TO_RELOAD: Final = "SIGHUP is ignored: there is no configuration to read again"


def reload_later(reloader: Reloader) -> None:
    """As SIGHUP asks for; who asks is not waited for."""
    keep(asyncio.ensure_future(reloader.reload("SIGHUP")), _reloading)


_reloading: Final[set["asyncio.Task[Outcome]"]] = set()


class Stop:
    """The first SIGTERM or SIGINT drains, a second one ends at once.

    Whoever asks for a drain over the admin listener is often followed by whoever manages the
    process (a preStop hook and then the kubelet): the one signal of the second is nothing new.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.again = asyncio.Event()
        self.by = ""
        """What has asked last: a signal, or an operator."""
        self._signals = 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number.name)
        self.on_hangup: Callable[[], None] = partial(log.warning, _NOTHING_TO_RELOAD)
        # By default each of these would end the process.
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        for number in _IGNORED:
            loop.add_signal_handler(number, log.warning, "%s is ignored", number.name)

    def _hang_up(self) -> None:
        if self.asked.is_set():
            log.warning("SIGHUP is ignored: the proxy is stopping")
        else:
            self.on_hangup()

    def _stop(self, name: str) -> None:
        operator, before = asked_by(), self.by
        self.by = operator or name
        self._signals += not operator
        if self._signals > 1:
            self.again.set()
        elif self.asked.is_set():
            log.info("%s: stopping already, for %s; another signal ends it at once", name, before)
        self.asked.set()
