"""Where frames end."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.websocket import Frames, going_away


def frame(opcode: int, size: int, *, masked: bool) -> bytes:
    mark = 128 if masked else 0
    if size < 126:
        head = bytes((0x80 | opcode, mark | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, mark | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, mark | 127)) + size.to_bytes(8, "big")
    return head + (b"mask" if masked else b"") + b"\x88" * size


@given(
    st.lists(st.tuples(st.sampled_from((0, 1, 2, 9)), st.sampled_from((0, 1, 125, 126, 70_000)))),
    st.booleans(),
    st.integers(1, 9),
)
def test_frames_are_followed_in_pieces_of_any_size(
    frames: list[tuple[int, int]], masked: bool, step: int
) -> None:
    follower = Frames()
    for opcode, size in frames[:3]:
        data = frame(opcode, size, masked=masked)
        pieces = [data[at : at + 1] for at in range(14)] + [
            data[at : at + step * 1000] for at in range(14, len(data), step * 1000)
        ]
        for piece in pieces[:-1] if len(data) > 14 else []:
            follower.feed(piece)
            assert not follower.whole
        follower.feed(pieces[-1] if len(data) > 14 else data)
        assert follower.whole
    assert not follower.closed


def test_a_head_whose_length_has_not_come_is_no_whole_frame() -> None:
    follower = Frames()
    for byte in frame(2, 300, masked=True)[:8]:
        follower.feed(bytes((byte,)))
        assert not follower.whole
    follower.feed(b"x" * 300)
    assert follower.whole


@pytest.mark.parametrize("masked", [False, True])
def test_going_away_is_a_close_frame_with_1001(masked: bool) -> None:
    said = going_away(masked=masked)
    follower = Frames()
    follower.feed(said)
    assert follower.whole
    assert follower.closed
    if masked:
        payload = bytes(a ^ b for a, b in zip(said[2:6], said[6:], strict=False))
        assert said[1] == 0x82
    else:
        payload = said[2:]
    assert int.from_bytes(payload, "big") == 1001


def test_masks_are_not_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: b"abcd"[:size])
    assert going_away(masked=True)[2:6] == b"abcd"
