"""What a process has open is told so that a leak can be named."""

import os
import socket

from benchmarks.chaos.open_files import open_files, told


def test_a_connection_is_told_by_its_two_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            own = client.getsockname()[1]
            found = told(os.getpid())
            assert f"tcp 127.0.0.1:{own} to 127.0.0.1:{port} established" in found
            assert f"tcp 127.0.0.1:{port} to 0.0.0.0:0 listening" in found
            assert len(found) == len(open_files(os.getpid()))


def test_sockets_of_ipv6_and_without_a_network_are_told_too(tmp_path: object) -> None:
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(f"{tmp_path}/here")
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            port = server.getsockname()[1]
            found = told(os.getpid())
    assert f"unix {tmp_path}/here" in found
    assert f"tcp6 ::1:{port} to :::0 listening" in found
