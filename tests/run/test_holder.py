"""Who holds a port or a socket."""

import os
import socket
from pathlib import Path

import pytest

from proxy.run.holder import of_port, of_socket

linux = pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs /proc of Linux")


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_process_that_listens_on_a_port_is_named(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("needs IPv6")
    with server:
        assert f"(pid {os.getpid()})" in of_port(server.getsockname()[1])


@linux
def test_the_process_that_listens_on_a_unix_socket_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        assert f"(pid {os.getpid()})" in of_socket(path)
    assert of_socket(path) == ""
