"""Processor time per request of 64 busy connections, beside ever more that rest."""

import contextlib
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.load import configs, tool
from benchmarks.load.machine import PROXY, REST, raise_limits
from benchmarks.load.peer import program
from benchmarks.load.process import DidNotStart, Process, free_port

RESTING: Final = (1, 100, 1000, 5000)

_BUSY: Final = 64
_REQUEST: Final = b"GET /small HTTP/1.1\r\nHost: bench\r\n\r\n"
_PATIENCE: Final = 30.0


def microseconds(rounds: int, seconds: int) -> dict[int, list[float]]:
    """One for each round. Raises DidNotStart or NotMeasured."""
    nginx = program("nginx")
    if nginx is None:
        raise DidNotStart("nginx is missing: make bench-tools")
    files = raise_limits()
    found: dict[int, list[float]] = {number: [] for number in RESTING}
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        port, served = free_port(), free_port()
        upstream = configs.nginx_upstream(folder, port, files)
        config = configs.proxy(folder, served, f"127.0.0.1:{port}", access=False)
        api = [nginx, "-p", name, "-c", str(upstream)]
        command = [sys.executable, "-m", "proxy", "run", str(config)]
        with (
            Process(api, port, REST, folder / "log"),
            Process(command, served, PROXY, folder / "log-of-proxy") as proxy,
        ):
            tool.wrk(proxy, "/small", _BUSY, 1)
            for _ in range(rounds):
                for number in RESTING:
                    with resting(served, number):
                        before = proxy.cpu()
                        load = tool.wrk(proxy, "/small", _BUSY, seconds)
                        found[number].append((proxy.cpu() - before) / load["requests"] * 1e6)
    return found


@contextlib.contextmanager
def resting(port: int, number: int) -> Iterator[None]:
    """So many connections that have asked once."""
    with contextlib.ExitStack() as opened:
        for _ in range(number):
            connection = socket.create_connection(("127.0.0.1", port), _PATIENCE)
            opened.enter_context(connection)
            connection.sendall(_REQUEST)
            connection.recv(1 << 16)
        yield
