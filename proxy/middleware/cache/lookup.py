"""Finds the entry that may answer a request."""

from collections.abc import Sequence

from proxy.core.stored import Entry, Store
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.succession import made


async def find(store: Store, asked: Asked) -> tuple[Entry | None, Sequence[Entry]]:
    """The entry that counts, and all that were looked at.

    What everybody may have stands under one key, what is its owner's alone under another. Of two
    that fit, the one with the later Date is the answer (RFC 9111 4).
    """
    entries = await store.get(asked.key)
    for each in entries:
        if asked.takes(each):
            entry: Entry | None = each
            break
    else:
        entry = None
    if not asked.owner:
        return entry, entries
    own = await store.get(asked.own_key)
    for each in own:
        if asked.takes(each):
            if entry is None or made(each.meta) >= made(entry.meta):
                entry = each
            break
    return entry, [*entries, *own]
