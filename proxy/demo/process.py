"""The demo API as a child of this process."""

import os
import signal
import subprocess
import sys
import threading
from typing import IO, Final, Self

from proxy.run.orphans import AWAITED

_READY: Final = "demo ready "
_PATIENCE: Final = 5.0


class DemoFailed(Exception):
    """It did not start; why, it has said itself."""


class DemoProcess:
    """Runs the demo API for the length of a ``with`` block.

    It holds the other end of its standard input, so it also ends when this process is killed. When
    it ends by itself, this process gets a SIGTERM: a proxy in front of nothing shows nothing.
    """

    def __init__(self, listen: str) -> None:
        self._listen = listen
        self._over = False
        self.url = ""
        """Where it answers, known inside the block."""

    def __enter__(self) -> Self:
        """Start it and wait until it is ready. Raises DemoFailed."""
        command = [sys.executable, "-m", "proxy.demo", "--tied", "--listen", self._listen]
        # A session of its own: Ctrl-C reaches the proxy alone, which drains before the demo ends.
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        AWAITED.add(self._child.pid)
        assert self._child.stderr is not None
        self._watcher = threading.Thread(
            target=self._watch, args=(self._child.stderr,), daemon=True
        )
        for line in self._child.stderr:
            if line.startswith(_READY):
                self.url = line.removeprefix(_READY).strip()
                break
            sys.stderr.write(line)
        else:
            self._stop()
            raise DemoFailed("the demo API did not start")
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._stop()

    def _watch(self, lines: IO[str]) -> None:
        for line in lines:
            sys.stderr.write(line)
        if not self._over:
            sys.stderr.write("the demo API ended, so the proxy does too\n")
            os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self) -> None:
        self._over = True
        self._child.terminate()
        try:
            self._child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._watcher.is_alive():
            self._watcher.join(_PATIENCE)
        with self._child:  # closes the pipes
            pass
