"""Operators remove what is stored: by path, by tag or by route."""

import asyncio
from typing import Final

from proxy.core.stored import Store
from proxy.middleware.cache.labels import label

KINDS: Final = ("path", "tag", "route")
_PATIENCE: Final = 10.0
"""Seconds for which an operator waits until nobody is served what was removed."""


async def purge(store: Store | None, **wanted: str) -> tuple[int, bool]:
    """Remove all entries of each path, tag or route; how many there were so far, and whether that
    is all.

    Raises ValueError with a sentence for the operator.
    """
    chosen = {kind: value for kind, value in wanted.items() if value and kind in KINDS}
    if not chosen:
        raise ValueError("expected path=, tag= or route=, to say what is removed")
    if store is None:
        raise ValueError("no route has [cache]: nothing is stored")
    labels = (label(kind.encode(), value.encode()) for kind, value in chosen.items())
    made = await asyncio.gather(*(store.purge(each, _PATIENCE) for each in labels))
    return sum(each.count for each in made), all(each.complete for each in made)
