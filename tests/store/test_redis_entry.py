"""An entry in Redis."""

import pytest
from msgspec.structs import replace

from proxy.policy.freshness import Freshness
from proxy.store.redis_entry import Kept, RedisEntry, decode, encode, lasts_for, newest_first
from tests.support.stored import FRESH, body_of, meta

DAY = 24 * 3600


async def no_part(_ident: bytes, _number: int, _first: object) -> bytes:
    raise AssertionError("it has no parts")


async def test_a_short_body_comes_with_its_head() -> None:
    kept = decode(encode(Kept(1.0, meta(), 5, b"short"), b"k", b"i"), b"k", b"i")
    assert kept is not None
    entry = RedisEntry(b"i", kept, no_part)
    assert entry.meta == meta()
    assert await body_of(entry) == b"short"
    assert await entry.read(2) == b"ort"


@pytest.mark.parametrize(
    ("freshness", "seconds"),
    [
        (FRESH, 60 + DAY + 1),
        (replace(FRESH, if_error=3 * DAY), 60 + 3 * DAY + 1),
        (replace(FRESH, lifetime=2.0**31), 30 * DAY + 1),
    ],
    ids=range(3),
)
def test_it_is_kept_as_long_as_it_can_be_used(freshness: Freshness, seconds: int) -> None:
    assert lasts_for(meta(freshness=freshness)) == seconds


def test_the_last_stored_comes_first() -> None:
    old, new = (RedisEntry(b"i", Kept(at, meta(), 0, b""), no_part) for at in (1.0, 2.0))
    assert sorted([old, new], key=newest_first) == [new, old]
