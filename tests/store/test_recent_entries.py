"""Entries that are not made anew each time."""

import msgspec

from proxy.store.database import Row
from proxy.store.recent_entries import RecentEntries
from tests.support.stored import body_of, meta

HEAD, OTHER = (msgspec.msgpack.encode(meta(status=status)) for status in (200, 203))


async def chunk(ident: int, number: int, _first: object) -> bytes:
    return b"%d/%d" % (ident, number)


def row(ident: int = 1, head: bytes = HEAD, body: bytes | None = b"body") -> Row:
    return Row(ident, head, 4 if body is None else len(body), kept=False, body=body)


async def test_the_same_row_is_the_same_entry() -> None:
    recent = RecentEntries(chunk)
    first = recent.entry(row())
    assert first is not None
    assert recent.entry(row()) is first
    assert (first.ident, await body_of(first)) == ((1).to_bytes(8, "big"), b"body")


def test_another_head_or_ident_is_another_entry() -> None:
    recent = RecentEntries(chunk)
    first = recent.entry(row())
    changed, other = recent.entry(row(head=OTHER)), recent.entry(row(2))
    assert changed is not None
    assert other is not None
    assert len({id(first), id(changed), id(other)}) == 3
    assert changed.meta.status == 203


async def test_a_long_body_is_read_by_chunks() -> None:
    entry = RecentEntries(chunk).entry(row(7, body=None))
    assert entry is not None
    assert await entry.read(0) == b"7/0"


def test_a_head_of_another_version_is_none() -> None:
    assert RecentEntries(chunk).entry(row(head=b"?")) is None
