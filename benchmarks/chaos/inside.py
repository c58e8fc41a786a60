"""The proxy as it is, and beside it a thread that counts its tasks and collects its garbage.

``python -m benchmarks.chaos.inside SOCKET run FILE``: whoever connects to the unix socket and sends
``collect`` or ``tasks`` gets a line of JSON. Nothing in the proxy itself knows of this.
"""

import asyncio
import contextlib
import gc
import json
import socket
import sys
import threading
import time
from collections import Counter
from typing import Any

from proxy.cli import main
from proxy.run.runtime import Runtime


class Onlooker:
    """Answers on the socket, from a thread of its own."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        self.loop: asyncio.AbstractEventLoop | None = None

    def watch(self) -> None:
        """Until the process ends."""
        while True:
            asked, _ = self._socket.accept()
            with asked, contextlib.suppress(OSError):
                if asked.recv(100) == b"collect":
                    self._collect()
                asked.sendall(json.dumps(self._tasks()).encode() + b"\n")

    def _collect(self) -> None:
        """In the thread of the loop, where whatever is found may safely be let go."""
        done = threading.Event()

        def collect() -> None:
            gc.collect()
            done.set()

        assert self.loop is not None
        self.loop.call_soon_threadsafe(collect)
        done.wait(30)

    def _tasks(self) -> dict[str, Any]:
        """How many there are, by the name of their coroutine."""
        assert self.loop is not None
        for _ in range(100):
            try:
                tasks = asyncio.all_tasks(self.loop)
                break
            except RuntimeError:  # the set of all tasks has changed meanwhile
                time.sleep(0.01)
        else:
            tasks = set()
        names = Counter(getattr(task.get_coro(), "__qualname__", "?") for task in tasks)
        return {"tasks": len(tasks), "names": dict(names)}


def run() -> int:
    """The command of the proxy, looked at."""
    onlooker = Onlooker(sys.argv[1])
    opened = Runtime.open

    async def looked_at(self: Runtime) -> None:
        onlooker.loop = asyncio.get_running_loop()
        await opened(self)

    Runtime.open = looked_at  # type: ignore[method-assign]
    threading.Thread(target=onlooker.watch, daemon=True).start()
    return main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(run())
