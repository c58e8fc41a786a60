"""A reply on its way into a file of SQLite."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.core.stored import Claim, Meta
from proxy.store.database import Row
from proxy.store.parts import PIECE

if TYPE_CHECKING:
    from proxy.store.sqlite import SqliteStore

_encode: Final = msgspec.msgpack.Encoder().encode


class SqliteWriter:
    """A reply that is being stored."""

    __slots__ = ("_claim", "_ident", "_key", "_meta", "_pending", "_pieces", "_store")

    def __init__(
        self, store: "SqliteStore", key: bytes, meta: Meta, ident: int, claim: Claim | None
    ) -> None:
        self._store = store
        self._claim = claim
        self._key = key
        self._meta = meta
        self._ident = ident
        self._pending = bytearray()
        self._pieces = 0

    def write(self, data: bytes) -> bool:
        """Take the next bytes; False where the disk does not keep up."""
        pending = self._pending
        if not self._store.has_room(len(pending) + len(data)):
            return False
        pending += data
        while len(pending) > PIECE:
            if not self._write_piece(bytes(pending[:PIECE])):
                return False
            del pending[:PIECE]
        return True

    def _write_piece(self, piece: bytes) -> bool:
        taken = self._store.write_chunk(self._ident, self._pieces, piece)
        self._pieces += taken
        return taken

    def commit(self, replaces: Sequence[bytes] = ()) -> None:
        """Have it made visible when all before it is written."""
        body: bytes | None = bytes(self._pending)
        size = self._pieces * PIECE + len(self._pending)
        if self._pieces:
            if not self._write_piece(bytes(self._pending)):
                self.abort()
                return
            body = None
        row = Row(self._ident, _encode(self._meta), size, kept=False, body=body)
        self._store.add(self._key, row, self._meta.labels, replaces, self._claim)

    def abort(self) -> None:
        """Have what is written of it forgotten."""
        if self._pieces:
            self._store.drop(self._ident)
            self._pieces = 0
        if self._claim is not None:
            self._store.claims.give_back(self._claim)
