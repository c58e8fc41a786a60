"""Who holds a port or a socket."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.net.holder import of_port, of_socket

linux = pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs /proc of Linux")


@contextlib.contextmanager
def held(server: socket.socket) -> Iterator[int]:
    """By another process, once this one has let go of it: its pid."""
    wait = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    number = server.fileno()
    pipe = subprocess.PIPE
    with subprocess.Popen(wait, stdin=pipe, stdout=pipe, pass_fds=[number]) as other:
        assert other.stdout is not None
        other.stdout.readline()
        server.close()
        yield other.pid
        other.kill()


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_process_that_listens_on_a_port_is_named(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("needs IPv6")
    port = server.getsockname()[1]
    assert of_port(port) == " by this proxy itself"
    with held(server) as pid:
        assert f"(pid {pid})" in of_port(port)


@linux
def test_the_process_that_listens_on_a_unix_socket_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    assert of_socket(path) == " by this proxy itself"
    with held(server) as pid:
        assert f"(pid {pid})" in of_socket(path)
    assert of_socket(path) == ""
