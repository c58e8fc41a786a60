"""What the parent binds."""

import os
import socket
import stat
from pathlib import Path

import pytest

from proxy.edge.options import ServerOptions
from proxy.run.reasons import CannotListen
from proxy.run.sockets.tcp import Place, bound
from proxy.run.workers.sockets import Bound


def _bound(asked: str, slots: int = 3, mode: str = "0660") -> Bound:
    return Bound(asked, ServerOptions(unix_mode=mode), slots)


@pytest.mark.parametrize("asked", ["127.0.0.1:0", "localhost:0", ":0", "[::1]:0"])
def test_each_slot_has_a_socket_of_its_own_at_the_same_port(asked: str) -> None:
    made = _bound(asked)
    ports = {one.getsockname()[1] for row in made.rows for one in row}
    assert len(ports) == 1
    [port] = ports
    assert all(each.endswith(f":{port}") for each in made.addresses)
    assert len({len(row) for row in made.rows}) == 1
    for row in made.rows:
        for one in row:
            one.listen(8)
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    made.close()
    assert all(one.fileno() == -1 for row in made.rows for one in row)


def test_what_waits_in_the_queue_of_a_worker_that_ended_is_there_for_the_next() -> None:
    made = _bound("127.0.0.1:0", slots=1)
    worker = made.rows[0][0].dup()
    worker.listen(8)
    with socket.create_connection(made.rows[0][0].getsockname()) as client:
        worker.close()
        client.sendall(b"hello")
        successor = made.rows[0][0].dup()
        accepted, _ = successor.accept()
        assert accepted.recv(5) == b"hello"
        accepted.close()
        successor.close()
    made.close()


@pytest.mark.parametrize("share", [False, True])
def test_a_port_that_somebody_has_is_taken_even_if_they_share_it(share: bool) -> None:
    theirs = bound(Place(socket.AF_INET, "127.0.0.1"), 0, share=share)
    theirs.listen()
    port = theirs.getsockname()[1]
    with pytest.raises(CannotListen, match=f"port {port} is taken"):
        _bound(f"127.0.0.1:{port}")
    theirs.close()


def test_a_unix_socket_is_one_for_all_and_its_file_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    made = _bound(f"unix:{path}", mode="0600")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert len({row[0].fileno() for row in made.rows}) == 1
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as early:
        early.connect(str(path))
    made.rows[0][0].listen(8)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        with pytest.raises(CannotListen, match="somebody listens on that socket"):
            _bound(f"unix:{path}")
    made.close()
    assert not path.exists()


def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    made = _bound(f"unix:{path}")
    made.close()
    assert not path.exists()


def test_a_name_that_nobody_knows_is_said() -> None:
    with pytest.raises(CannotListen, match="no address for the name"):
        _bound("nowhere.invalid:80")
