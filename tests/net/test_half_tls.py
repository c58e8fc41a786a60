"""A side of TLS tells of the other's end once, and can be written to all the same."""

import asyncio
import contextlib
import ssl
from typing import Any, cast

import pytest

from proxy.net.half_tls import HalfTls, can_half_close, end_writing, hear_of_end, leave_fin
from tests.support.authority import Authority
from tests.support.tls_client import trusting


class Pair:
    """Both sides of a connection, in memory, after their handshake."""

    def __init__(self, authority: Authority) -> None:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = can_half_close(authority.server())
        self.ours = cast(HalfTls, server.wrap_bio(there, back, server_side=True))
        self.theirs = trusting(authority).wrap_bio(back, there)
        for _ in range(3):
            for side in (self.theirs, self.ours):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()

    def end(self) -> None:
        """Theirs sends no more."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.theirs.unwrap()


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return Pair(authority)


async def test_the_end_is_told_once_behind_the_last_bytes(pair: Pair) -> None:
    told: list[str] = []
    assert hear_of_end(pair.ours, lambda: told.append("end")) is pair.ours
    pair.theirs.write(b"last")
    pair.end()
    assert pair.ours.read(100) == b"last"
    for _ in range(2):
        with pytest.raises(ssl.SSLWantReadError):
            pair.ours.read(100, bytearray(100))
    assert not told
    await asyncio.sleep(0)
    assert (told, pair.ours.ended) == (["end"], True)
    pair.ours.write(b"an answer")
    assert pair.theirs.read(100) == b"an answer"


async def test_the_end_is_told_to_one_that_has_ended_itself(pair: Pair) -> None:
    told: list[str] = []
    hear_of_end(pair.ours, lambda: told.append("end"))
    with pytest.raises(ssl.SSLWantReadError):
        pair.ours.unwrap()
    pair.end()
    with pytest.raises(ssl.SSLWantReadError):
        pair.ours.read(100)
    await asyncio.sleep(0)
    assert told == ["end"]


async def test_who_has_asked_for_nothing_is_told_as_ever(pair: Pair) -> None:
    pair.end()
    assert pair.ours.read(100) == b""
    with contextlib.suppress(ssl.SSLWantReadError):
        pair.ours.unwrap()
    with pytest.raises(ssl.SSLZeroReturnError):
        pair.ours.read(100)
    assert not pair.ours.ended


def test_other_ends_are_of_no_use(pair: Pair) -> None:
    assert hear_of_end(pair.theirs, lambda: None) is None
    assert hear_of_end(None, lambda: None) is None


class Transport:
    """Notes what is asked of it."""

    def __init__(self, encryption: Any) -> None:
        self._encryption = encryption
        self.asked: list[str] = []
        self.closing = False

    def get_extra_info(self, _: str) -> Any:
        return self._encryption

    def set_read_buffer_limits(self, high: int) -> None:
        self.asked.append(f"at most {high}")

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")

    def is_closing(self) -> bool:
        return self.closing


class Writer:
    def __init__(self, encryption: Any, held: bool) -> None:
        self.transport: Any = Transport(encryption)
        self.held = held
        self.ending = False
        self.failed = False

    def tls_failed(self) -> None:
        self.failed = True


def test_reading_stops_once(pair: Pair) -> None:
    """A second time would have the loop read on."""
    transport: Any = Transport(pair.ours)
    leave_fin(transport)
    leave_fin(transport)
    assert transport.asked == ["at most 0"]


@pytest.mark.parametrize("held", [True, False])
async def test_an_end_goes_out_and_reading_goes_on_as_before(pair: Pair, held: bool) -> None:
    writer = Writer(pair.ours, held)
    end_writing(writer)
    ending = [writer.ending]
    for _ in range(3):
        await asyncio.sleep(0)
    assert [*ending, writer.ending] == [True, False]
    assert writer.transport.asked == ["resume", "pause", "resume", *["pause"] * held]
    assert pair.theirs.read(100) == b""
    assert not writer.failed


async def test_what_was_not_read_is_no_fault_of_ours_alone(pair: Pair) -> None:
    writer = Writer(pair.ours, held=False)
    pair.theirs.write(b"never read")
    end_writing(writer)
    await asyncio.sleep(0)
    assert writer.failed


async def test_a_connection_that_closes_meanwhile_is_left_alone(pair: Pair) -> None:
    writer = Writer(pair.ours, held=True)
    end_writing(writer)
    writer.transport.closing = True
    await asyncio.sleep(0)
    assert (writer.transport.asked, writer.failed) == (["resume"], False)
