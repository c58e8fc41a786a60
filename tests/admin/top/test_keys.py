"""Keys end what is shown, and the terminal is as it was before."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from proxy.admin.top.keys import keys

PATIENCE = 60.0
SOURCE = """
from proxy.admin.top.keys import keys
with keys() as typed_within:
    print("ready", flush=True)
    print(typed_within(60.0), flush=True)
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Its end for a person, and the one for programs."""
    ends = pty.openpty()
    yield ends
    for each in ends:
        os.close(each)


@pytest.mark.parametrize("typed", [b"q", b"Q", b"xq", b"\x04"])
def test_a_key_ends_it_and_is_not_shown(terminal: tuple[int, int], typed: bytes) -> None:
    person, programs = terminal
    before = termios.tcgetattr(programs)

    def own() -> None:
        fcntl.ioctl(programs, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [sys.executable, "-c", SOURCE],
        stdin=programs,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=own,  # noqa: PLW1509  (it makes one call of the system)
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.write(person, typed)
        assert child.stdout.readline() == b"True\n"
        assert child.wait(PATIENCE) == 0
    assert termios.tcgetattr(programs) == before
    os.set_blocking(person, False)
    with pytest.raises(BlockingIOError):
        os.read(person, 9)


def test_other_keys_do_not_end_it() -> None:
    reads, writes = os.pipe()
    with os.fdopen(reads) as stdin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        patch.setattr("proxy.admin.top.keys._taken", lambda _: True)
        os.write(writes, b"xyz")
        with keys() as typed_within:
            assert typed_within(0.0) is False
            os.write(writes, b"q")
            assert typed_within(PATIENCE) is True
            os.close(writes)
            assert typed_within(PATIENCE) is True  # the terminal is gone


def test_without_a_terminal_nothing_is_read() -> None:
    reads, writes = os.pipe()
    os.write(writes, b"q")
    with os.fdopen(reads) as stdin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        for once in (False, True):
            with keys(once=once) as typed_within:
                assert typed_within(0.0) is False
        assert stdin.read(1) == "q"
    os.close(writes)


@pytest.mark.parametrize("behind", [0, 1], ids=["in front", "in the background"])
def test_in_the_background_the_terminal_is_left_alone(
    terminal: tuple[int, int], behind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who changes it there is stopped."""
    before = termios.tcgetattr(terminal[1])
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + behind)
    with os.fdopen(os.dup(terminal[1])) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with keys():
            assert (termios.tcgetattr(terminal[1]) == before) is bool(behind)
    assert termios.tcgetattr(terminal[1]) == before
