"""The kernel is asked whether a client has left, or has only nothing more to say."""

import contextlib
import errno
import logging
import os
import socket
from typing import Any

import pytest

from proxy.net import peer
from proxy.net.peer import peer_left


@pytest.fixture(params=["127.0.0.1", "::1", "::ffff:127.0.0.1", "unix"])
def pair(request: pytest.FixtureRequest) -> Any:
    """Two ends of a connection."""
    if request.param == "unix":
        ends = socket.socketpair()
    else:
        family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
        with socket.socket(family) as listener:
            listener.bind((request.param, 0))
            listener.listen()
            near = socket.create_connection(
                (request.param.removeprefix("::ffff:"), listener.getsockname()[1])
            )
            ends = (listener.accept()[0], near)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(end) for end in ends]


@pytest.mark.parametrize(
    ("first", "left"), [("nothing", False), ("half", False), ("close", True), ("both", True)]
)
def test_the_kernel_tells_a_half_closed_client_from_one_that_left(
    pair: Any, first: str, left: bool
) -> None:
    ours, theirs = pair
    if first in ("half", "both"):
        theirs.shutdown(socket.SHUT_WR)
    if first in ("close", "both"):
        theirs.close()
    assert peer_left(ours) is left


def test_nobody_can_tell_of_a_socket_that_is_not_connected() -> None:
    with socket.socket() as lone:
        assert peer_left(lone) is None


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES])
@pytest.mark.parametrize("pair", ["127.0.0.1"], indirect=True)
def test_a_sandbox_that_refuses_the_question_is_told_of_once(
    pair: Any, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody noticed that clients that had left were served to the end."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(peer, "_told", set())
    monkeypatch.setattr("proxy.net.peer.socket.socket", refuse)
    for _ in range(2):
        assert peer_left(pair[0]) is None
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert os.strerror(number) in said.getMessage()
    assert "AF_NETLINK" in said.getMessage()
