"""Requests under way of all processes that share a file of SQLite.

A disk that is full may have room for a lease, of some bytes, where it has none for the reply, nor
for the end of the lease: others would wait for it in vain. So a process that could not write
something gives all of its leases back at once, in one change of a page or two. What the failed
change has made of the log of SQLite is room enough for that. Then it takes none for a while, and
waits for none.
"""

import secrets
from collections.abc import Container
from functools import partial
from typing import Final

from proxy.core.clock import monotonic
from proxy.core.stored import LEASE, Claim, StoreFailed
from proxy.policy.key_changes import Changes
from proxy.store.database import Database
from proxy.store.file import File

_HALF: Final = 8
"""Bytes of a token that say whose it is, and those that say which one."""


class FileClaims:
    """Asks the thread that writes for a lease, or the one that reads when a request begins."""

    __slots__ = ("_changes", "_ended", "_file", "_owner", "_timeout", "shared")

    def __init__(self, file: File, changes: Changes, timeout: float | None) -> None:
        """``timeout``: seconds that each of both may take, None for any time."""
        self._changes = changes
        self._file = file
        self._timeout = timeout
        self._owner = secrets.token_bytes(_HALF)
        """With which all tokens of ours begin."""
        self._ended: dict[bytes, float] = {}
        """Tokens of ours that could not be given back, as the disk is full or another process has
        the file locked; and when that was. The leases do not last longer than that."""
        self.shared = True

    async def take(self, name: bytes = b"") -> Claim:
        """Note that a request begins; with the lease of this name, where nobody has it."""
        claim = Claim(self._changes.now, name)
        if name and not self._file.is_unwritable():
            await self._take_lease(claim)
        if claim.order is None:
            try:
                claim.order = await self._file.read(_now, self._timeout)
            except TimeoutError:
                self._file.is_late(self._timeout)
            except StoreFailed:
                pass  # the file has said so
        return claim

    def take_later(self) -> Claim:
        """A file does not say later what came before: there is no order."""
        return Claim(self._changes.now)

    async def _take_lease(self, claim: Claim) -> None:
        """With the order in one: each thread that is asked costs as much as the question."""
        token = self._owner + secrets.token_bytes(_HALF)
        wanted = _Wanted(claim.name, token, self._ended)
        try:
            found = await self._file.change(wanted.take, self._timeout)
        except (StoreFailed, TimeoutError):
            found = None
        except BaseException:
            wanted.is_given_up = True
            self._give_back(claim.name, wanted.token)
            raise
        if found is None:  # it may be taken all the same, later
            wanted.is_given_up = True
            self._give_back(claim.name, wanted.token)
            return
        holder, claim.order = found
        if holder == wanted.token:
            claim.token = wanted.token
        else:
            claim.held_by = holder

    async def holder(self, name: bytes) -> bytes:
        """The token of who has this lease; empty for nobody, and where the file fails."""
        if self._file.is_unwritable():
            return b""
        try:
            found = await self._file.read(lambda db: db.agreements.holder(name), self._timeout)
        except (StoreFailed, TimeoutError):
            return b""
        return b"" if found in self._ended else found

    def renew(self, claim: Claim) -> None:
        """Have the lease last from now on."""
        if claim.token:
            work = partial(_renew, claim.name, claim.token)
            self._file.begin(partial(self._file.write, work))

    def give_back(self, claim: Claim) -> None:
        """Let others take the lease."""
        if claim.token:
            self._give_back(claim.name, claim.token)
            claim.token = b""

    def failed(self) -> None:
        """Something could not be stored: let others take all leases. In the thread that writes."""
        if self._file.is_unwritable():
            self._file.write(partial(_give_all_back, self._owner))

    def _give_back(self, name: bytes, token: bytes) -> None:
        self._file.begin(partial(self._end, name, token))

    def _end(self, name: bytes, token: bytes) -> None:
        """In the thread that writes."""
        if self._file.write(partial(_give_back, name, token)) is None:
            now = monotonic()
            while self._ended and next(iter(self._ended.values())) < now - LEASE:
                del self._ended[next(iter(self._ended))]
            self._ended[token] = now


class _Wanted:
    """A lease that is asked for, in the thread that writes."""

    __slots__ = ("ended", "is_given_up", "name", "token")

    def __init__(self, name: bytes, token: bytes, ended: Container[bytes]) -> None:
        self.name = name
        self.token = token
        self.ended = ended
        self.is_given_up = False
        """Whether whoever asked for it waits no more."""

    def take(self, database: Database) -> tuple[bytes, int] | None:
        """The token of who has it now, and the moment; None where nobody waits for that."""
        if self.is_given_up:
            return None
        with database.transaction():
            holder = database.agreements.take(self.name, self.token, self.ended)
            return holder, database.agreements.now()


def _now(database: Database) -> int:
    return database.agreements.now()


def _renew(name: bytes, token: bytes, database: Database) -> None:
    with database.transaction():
        database.agreements.renew(name, token)


def _give_back(name: bytes, token: bytes, database: Database) -> bool:
    with database.transaction():
        database.agreements.give_back(name, token)
    return True


def _give_all_back(owner: bytes, database: Database) -> None:
    with database.transaction():
        database.agreements.give_all_back(owner)
