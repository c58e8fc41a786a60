"""What a lost connection holds is given to the protocol of TLS before it is told of the end."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.net.below_tls import BelowTls
from proxy.net.small_reads import IN_HAND, LARGEST, SMALLEST, TOTAL

LOST = ConnectionResetError("reset")


class Tls:
    """As a loop's protocol of TLS, with little room at a time."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self._room = bytearray(4)

    def get_buffer(self, size: int) -> memoryview:
        return memoryview(self._room)

    def buffer_updated(self, size: int) -> None:
        self.told.append(bytes(self._room[:size]))

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("ended", [True, False])
def test_what_is_unread_comes_before_the_end(
    pair: tuple[socket.socket, socket.socket], ended: bool
) -> None:
    tls = Tls()
    pair[1].sendall(b"a refusal")
    if ended:
        pair[1].close()
    BelowTls(tls, pair[0]).connection_lost(LOST)
    assert tls.told == [b"a re", b"fusa", b"l", LOST]


def test_who_closes_reads_no_more(pair: tuple[socket.socket, socket.socket]) -> None:
    tls = Tls()
    pair[1].sendall(b"late")
    BelowTls(tls, pair[0]).connection_lost(None)
    assert tls.told == [None]


def test_a_socket_that_is_closed_already_is_no_error(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    tls = Tls()
    pair[0].close()
    BelowTls(tls, pair[0]).connection_lost(LOST)
    assert tls.told == [LOST]


def test_all_else_is_passed_on(pair: tuple[socket.socket, socket.socket]) -> None:
    tls = Tls()
    below = BelowTls(tls, pair[0])
    below.get_buffer(9)[:2] = b"ab"
    below.buffer_updated(2)
    below.pause_writing()
    below.resume_writing()
    below.eof_received()
    assert tls.told == [b"ab", "pause", "resume", "eof"]


def test_no_more_is_read_at_a_time_than_there_is_room_for(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = Tls()
    tls._room = bytearray(2 * LARGEST)
    below = BelowTls(tls, pair[0])
    assert len(below.get_buffer(-1)) == LARGEST
    monkeypatch.setattr(IN_HAND, "bytes", TOTAL)
    assert len(below.get_buffer(-1)) == SMALLEST
