"""What the usual answer is made of."""

import gc

from proxy.middleware.cache.shown import Shown
from tests.support.caching import Caching, fresh


async def test_the_collector_has_nothing_to_look_at_in_what_was_shown() -> None:
    caching = Caching(fresh(60, b"new", (b"X-Request-Id", b"1"), (b"Vary", b"Accept")))
    await caching.ask()
    assert (await caching.ask()).cache == "hit; ttl=60"
    [entry] = caching.store._kept.values()
    shown = entry.shown
    assert isinstance(shown, Shown)
    for _ in range(2):
        gc.collect()
    stored, encoded = entry.meta, shown.encoded
    parts = (stored.fields, stored.labels, stored.vary, shown.fields, encoded.ids)
    for held in (entry, shown, encoded, *parts):
        assert not gc.is_tracked(held)
