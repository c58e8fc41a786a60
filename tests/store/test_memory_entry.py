"""A stored reply in memory, and what it costs."""

from typing import Any

import pytest

from proxy.store.memory import MemoryStore
from proxy.store.memory_entry import SHORT, memory_entry
from tests.support.samples import told
from tests.support.stored import meta, put

KIB = b"x" * 1024


@pytest.mark.parametrize(
    ("pieces", "whole", "size"),
    [([], b"", 0), ([b"one"], b"one", 3), ([b"a" * SHORT, b"b"], None, SHORT + 1)],
)
async def test_a_body_is_read_from_any_position(
    pieces: list[bytes], whole: bytes | None, size: int
) -> None:
    entry = memory_entry(b"k", b"i", meta(), pieces, size)
    assert (entry.whole, entry.size) == (whole, size)
    text = b"".join(pieces)
    for position in {0, 1, size // 2, max(0, size - 1), size, size + 1}:
        end = (position // SHORT + 1) * SHORT
        assert await entry.read(position) == text[position:end]


async def test_all_that_is_held_of_an_entry_counts() -> None:
    def cost(**changes: Any) -> Any:
        store = MemoryStore(1 << 20)
        put(store, b"k", KIB, **changes)
        return told(store)["store_bytes"]

    usual = cost(vary=[])
    assert cost(vary=[(b"x-big", b"b" * 10_000)]) > usual + 10_000
    assert cost(vary=[(b"x", None)] * 100) > usual + 10_000
    assert cost(vary=[], labels=[b"%016d" % each for each in range(100)]) > usual + 100 * 100
    assert cost(vary=[], pace=[(each, 0.5) for each in range(1000)]) > usual + 1000 * 80
