"""A system's resolver whose answers a test gives, and which hangs where the test wants it to."""

import asyncio
import contextlib
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from unittest import mock

_PATIENCE = 60.0
_system = socket.getaddrinfo


class SystemNames:
    """What the system says of the names under ``.test``."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self._begun: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._hanging: dict[str, threading.Event] = {}

    def hang(self, *hosts: str) -> None:
        """Say nothing of these."""
        for host in hosts:
            self._hanging[host] = threading.Event()
            self.answers.setdefault(host, ["127.0.0.1"])

    def release(self, *hosts: str) -> None:
        """Say it now; of all, where none is named."""
        for host in hosts or tuple(self._hanging):
            self._hanging.pop(host).set()

    async def begun(self, host: str) -> None:
        """Wait until the system is asked for it."""
        assert await asyncio.to_thread(self._begun[host].wait, _PATIENCE)

    def getaddrinfo(self, host: str, *more: Any, **named: Any) -> list[Any]:
        """As that of ``socket``."""
        if not str(host).endswith(".test"):
            return _system(host, *more, **named)
        self.asked.append(host)
        self._begun[host].set()
        if (hanging := self._hanging.get(host)) is not None:
            hanging.wait()
        if not (addresses := self.answers.get(host)):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        port, _, kind, *_ = more
        return [one for ip in addresses for one in _system(ip, port, 0, kind)]


@contextlib.contextmanager
def system_names(**answers: list[str]) -> Iterator[SystemNames]:
    """``good=["127.0.0.1"]`` is what the system says of ``good.test``."""
    names = SystemNames()
    names.answers.update({f"{name}.test": listed for name, listed in answers.items()})
    with mock.patch("socket.getaddrinfo", names.getaddrinfo):
        try:
            yield names
        finally:
            names.release()


def look_up_result(ip: str) -> Any:
    """One address of a name, as aiohttp has it."""
    family = 10 if ":" in ip else 2
    return {"hostname": "api.test", "host": ip, "port": 0, "family": family, "proto": 0, "flags": 0}
