"""A reply on its way into Redis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.core.stored import Claim, Meta
from proxy.store.parts import PIECE

if TYPE_CHECKING:
    from proxy.store.redis import RedisStore


class RedisWriter:
    """A reply that is being stored: it is sent when it is whole."""

    __slots__ = ("_claim", "_key", "_meta", "_pending", "_pieces", "_size", "_store")

    def __init__(self, store: "RedisStore", key: bytes, meta: Meta, claim: Claim | None) -> None:
        self._store = store
        self._claim = claim
        self._key = key
        self._meta = meta
        self._pieces: list[bytes] = []
        self._pending = bytearray()
        self._size = 0

    def write(self, data: bytes) -> bool:
        """Take the next bytes; False where the network does not keep up."""
        if not self._store.reserve(len(data)):
            return False
        self._size += len(data)
        self._pending += data
        while len(self._pending) > PIECE:
            self._pieces.append(bytes(self._pending[:PIECE]))
            del self._pending[:PIECE]
        return True

    def commit(self, replaces: Sequence[bytes] = ()) -> None:
        """Have it sent."""
        self._pieces.append(bytes(self._pending))
        if self._claim is not None and self._claim.order is None:
            self.abort()  # nobody can say what has become of its key since
        else:
            self._store.send(self._key, self._meta, self._pieces, replaces, self._claim)

    def abort(self) -> None:
        """Forget it."""
        self._store.release(self._size)
        if self._claim is not None:
            self._store.claims.give_back(self._claim)
