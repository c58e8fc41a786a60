"""Sockets are handed to a worker that serves."""

import os
import socket

import pytest

from proxy.run.workers.shelf import put, shelf, taken


def listening() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


def test_what_was_put_there_is_taken_by_its_address() -> None:
    ours, theirs = shelf()
    with ours, theirs, listening() as one, listening() as other:
        put(ours, 1, "127.0.0.1:0", [one, other])
        put(ours, 1, "unix:/run/é.sock", [one])
        found = taken(theirs, 1)
        assert list(found) == ["127.0.0.1:0", "unix:/run/é.sock"]
        names = [[each.getsockname() for each in sockets] for sockets in found.values()]
        assert names == [[one.getsockname(), other.getsockname()], [one.getsockname()]]
        assert taken(theirs, 1) == {}
        for sockets in found.values():
            for each in sockets:
                each.close()


def test_what_a_reload_left_that_was_given_up_is_closed() -> None:
    ours, theirs = shelf()
    with ours, theirs, listening() as one:
        before = len(os.listdir("/proc/self/fd"))
        put(ours, 1, "127.0.0.1:0", [one])
        put(ours, 2, "127.0.0.1:1", [one])
        found = taken(theirs, 2)
        assert list(found) == ["127.0.0.1:1"]
        found["127.0.0.1:1"][0].close()
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_shelf_that_nobody_empties_is_full_and_keeps_nobody_waiting() -> None:
    ours, theirs = shelf()
    with ours, theirs, listening() as one:

        def fill() -> None:
            for _ in range(1000):
                put(ours, 1, "127.0.0.1:0", [one])

        with pytest.raises(BlockingIOError):
            fill()


def test_a_worker_that_has_ended_leaves_an_end() -> None:
    ours, theirs = shelf()
    with theirs:
        ours.close()
        assert taken(theirs, 1) == {}
