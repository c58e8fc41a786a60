"""What only the store in memory does: which entries give way."""

import asyncio
import gc
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.stored import MOST_VARIANTS
from proxy.store.memory import MemoryStore
from proxy.store.memory_entry import SHORT, cost_of
from tests.support.samples import told
from tests.support.stored import meta, put

KIB = b"x" * 1024


async def found(store: MemoryStore, number: int) -> bool:
    return bool(await store.get(b"%d" % number))


async def test_what_nobody_asked_for_again_gives_way_first() -> None:
    store = MemoryStore(64 << 10)
    for number in range(5):
        put(store, b"%d" % number, KIB)
        assert await found(store, number)
    for number in range(100, 400):  # a crawler
        put(store, b"%d" % number, KIB)
    assert [await found(store, number) for number in range(5)] == [True] * 5
    assert not await found(store, 100)
    assert await found(store, 399)
    assert 0 < told(store)["store_bytes"] <= 64 << 10


async def test_the_least_recently_used_of_the_kept_ones_gives_way() -> None:
    store = MemoryStore(64 << 10)
    for number in range(60):
        put(store, b"%d" % number, KIB)
        await store.get(b"%d" % number)
        await store.get(b"0")
    assert await found(store, 0)
    assert not await found(store, 1)


async def test_the_kept_ones_leave_room_for_those_on_trial() -> None:
    store = MemoryStore(64 << 10)
    for number in range(100):
        put(store, b"%d" % number, KIB)
        await store.get(b"%d" % number)
    put(store, b"new", KIB)
    put(store, b"newer", KIB)
    assert await store.get(b"new")
    assert store._kept_cost <= (64 << 10) * 0.8


async def test_nothing_larger_than_the_room_is_stored() -> None:
    store = MemoryStore(8 << 10)
    put(store, b"small", KIB)
    writer = store.put(b"large", meta())
    assert writer.write(KIB * 7)
    assert not writer.write(KIB * 2)
    writer.abort()
    assert not await store.get(b"large")
    put(store, b"again", KIB)
    assert await store.get(b"again")


async def test_what_is_being_written_takes_room() -> None:
    store = MemoryStore(16 << 10)
    writing = store.put(b"first", meta())
    assert writing.write(KIB * 12)
    assert not store.keep(b"whole", meta(), None, KIB * 5, [])
    writing.abort()
    put(store, b"old", KIB * 8)
    writer = store.put(b"new", meta())
    assert writer.write(KIB * 12)
    assert not await store.get(b"old")
    writer.abort()
    put(store, b"next", KIB * 8)
    assert await store.get(b"next")


async def test_variants_of_one_key_are_bounded() -> None:
    store = MemoryStore(0)
    for number in range(MOST_VARIANTS + 5):
        put(store, b"k", b"%d" % number)
    entries = await store.get(b"k")
    assert len(entries) == MOST_VARIANTS
    assert entries[0].whole == b"%d" % (MOST_VARIANTS + 4)


async def test_tiny_chunks_become_pieces() -> None:
    store = MemoryStore(0)
    put(store, b"k", *[b"ab"] * SHORT)
    [entry] = await store.get(b"k")
    assert [len(piece) for piece in entry.pieces] == [SHORT, SHORT]


@pytest.mark.parametrize("size", [0, 1, SHORT - 1, SHORT])
async def test_a_short_body_is_one_piece(size: int) -> None:
    store = MemoryStore(0)
    put(store, b"k", b"x" * size)
    [entry] = await store.get(b"k")
    assert entry.whole == b"x" * size


acts = st.lists(
    st.tuples(st.sampled_from(["put", "get", "touch", "delete", "purge"]), st.integers(0, 9)),
    max_size=60,
)


@settings(max_examples=50)
@given(acts)
async def test_the_room_is_accounted_for(script: list[tuple[str, int]]) -> None:
    store = MemoryStore(12 << 10)
    for act, number in script:
        key, label = b"%d" % number, b"label %d" % (number % 3)
        if act == "put":
            put(store, key, KIB * (number % 4), labels=[label])
        elif act == "get":
            await store.get(key)
        elif act == "touch":
            for entry in list(await store.get(key)):
                longer = meta(labels=[label], fields=[(b"A", KIB)])
                await store.touch(key, entry.ident, longer)
        elif act == "delete":
            await store.delete(key)
        else:
            await store.purge(label)
        entries = [each for key in list(store._keys) for each in store._under(key)]
        assert told(store)["store_bytes"] == sum(each.cost for each in entries)
        assert told(store)["store_entries"] == len(entries)
        several = [each for each in store._keys.values() if isinstance(each, list)]
        assert all(len(each) > 1 for each in several)
    for number in range(10):
        await store.delete(b"%d" % number)
    assert not store._labels
    assert told(store)["store_bytes"] == 0


async def test_others_have_their_turn_while_many_are_purged() -> None:
    """What is stored meanwhile under the same label was asked for after the purge began."""
    store = MemoryStore(0)
    for number in range(1700):
        put(store, b"%d" % number, b"", labels=[b"tag"])
    turns = 0

    async def another() -> None:
        nonlocal turns
        for _ in range(3):
            turns += 1
            put(store, b"new %d" % turns, b"", labels=[b"tag"])
            await store.delete(b"%d" % (1700 - turns))
            await asyncio.sleep(0)

    removed, _ = await asyncio.gather(store.purge(b"tag"), another())
    assert (removed.count, removed.complete) == (1697, True)
    assert turns == 3
    assert told(store)["store_entries"] == len(await store.get(b"new 1")) * 3
    for number in range(1700):
        assert not await found(store, number)


async def test_a_purge_that_gives_way_ends_well_whatever_comes_between() -> None:
    store = MemoryStore(0)
    for number in range(1200):
        put(store, b"%d" % number, b"", labels=[b"tag"])
    both = await asyncio.gather(store.purge(b"tag"), store.purge(b"tag"))
    assert sum(each.count for each in both) == 1200
    for number in range(1200):
        put(store, b"%d" % number, b"", labels=[b"tag"])
    removed, _ = await asyncio.gather(store.purge(b"tag"), store.close())
    assert removed.count == 500


async def test_the_collector_has_nothing_to_look_at_in_an_entry() -> None:
    """All that lives is looked at now and then, and the loop stands still for that long."""
    store = MemoryStore(0)
    for number in range(100):
        labels = [b"all", b"%d" % number]
        put(store, b"%d" % number, KIB, labels=labels, vary=[(b"a", b"%d" % number)])
    for _ in range(2):
        gc.collect()  # leaves tuples alone from now on that hold nothing of its concern
    [entry] = await store.get(b"7")
    held = (entry, entry.meta, entry.meta.fields, entry.meta.vary, entry.meta.labels)
    assert not [each for each in held if gc.is_tracked(each)]
    if sys.version_info < (3, 14):  # since then each dict is looked at, whatever it holds
        assert not gc.is_tracked(store._keys)
        assert not gc.is_tracked(store._labels[b"all"])


async def test_a_store_may_become_smaller_than_what_is_being_written() -> None:
    store = MemoryStore(64 << 10)
    put(store, b"old", b"x")
    written = store.put(b"new", meta())
    assert written.write(bytes(32 << 10))
    store.resize(16 << 10)
    written.commit()
    assert (await store.get(b"old"), await store.get(b"new"), store.writing) == ((), (), 0)


async def test_another_head_is_accounted_for_whether_or_not_it_is_kept() -> None:
    store, head = MemoryStore(64 << 10), meta(fields=[(b"X", bytes(1000))])
    for key in (b"trial", b"kept"):
        put(store, key, b"x")
    await store.get(b"kept")
    for key in (b"trial", b"kept"):
        [entry] = await store.get(key) if key == b"kept" else store._trial.values()
        await store.touch(key, entry.ident, head)
    assert (store._trial_cost, store._kept_cost) == (cost_of(head, 1),) * 2
