"""What stores are tried with."""

import asyncio
from typing import Any

from proxy.core.stored import Claim, Entry, Meta, Store
from proxy.policy.freshness import Freshness

FRESH = Freshness(0.0, 0.0, 60.0, False, False, 0.0, 0.0)


def meta(**changes: Any) -> Meta:
    """The head of a reply that anybody may have."""
    usual: dict[str, Any] = {
        "status": 200,
        "reason": b"OK",
        "fields": ((b"Content-Type", b"text/plain"), (b"X-\xff", b"\xfe")),
        "freshness": FRESH,
        "vary": ((b"accept", None),),
        "owner": b"",
        "public": False,
        "authorized": False,
        "labels": (),
        "pace": [],
    }
    found = {**usual, **changes}
    for name in ("fields", "vary", "labels"):
        found[name] = tuple(found[name])
    return Meta(**found)


def put(
    store: Store, key: bytes, *chunks: bytes, claim: Claim | None = None, **changes: Any
) -> None:
    """Store a reply."""
    writer = store.put(key, meta(**changes), claim)
    for chunk in chunks:
        assert writer.write(chunk)
    writer.commit()


async def body_of(entry: Entry) -> bytes:
    """The whole body of an entry."""
    found = b""
    while data := await entry.read(len(found)):
        found += data
    return found


async def said(claim: Claim) -> None:
    """Wait until Redis has said its order."""
    async with asyncio.timeout(30):
        while claim.order is None:  # noqa: ASYNC110 - nobody waits for it
            await asyncio.sleep(0.005)
