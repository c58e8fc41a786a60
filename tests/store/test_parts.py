"""Parts of a body: where a place in it stands."""

import pytest

from proxy.store.parts import PIECE, PartedEntry
from tests.support.stored import meta


def entry(size: int, whole: bytes | None) -> tuple[PartedEntry, list[int]]:
    asked: list[int] = []

    async def part(number: int, _first: object) -> bytes:
        asked.append(number)
        left = size - number * PIECE
        return bytes([number]) * min(PIECE, left)

    return PartedEntry(b"i", meta(), size, whole, part), asked


@pytest.mark.parametrize(
    ("position", "number", "length"),
    [(0, 0, PIECE), (5, 0, PIECE - 5), (PIECE - 1, 0, 1), (PIECE, 1, 10), (PIECE + 9, 1, 1)],
)
async def test_a_place_is_in_one_part(position: int, number: int, length: int) -> None:
    kept, asked = entry(PIECE + 10, None)
    assert await kept.read(position) == bytes([number]) * length
    assert asked == [number]


@pytest.mark.parametrize("position", [PIECE + 10, PIECE + 11])
async def test_behind_the_end_nothing_is_asked_for(position: int) -> None:
    kept, asked = entry(PIECE + 10, None)
    assert await kept.read(position) == b""
    assert asked == []


async def test_a_short_body_is_here() -> None:
    kept, asked = entry(3, b"abc")
    assert (await kept.read(0), await kept.read(2), await kept.read(3)) == (b"abc", b"c", b"")
    assert asked == []
