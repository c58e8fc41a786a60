"""Requests under way of all processes that share a file of SQLite."""

import asyncio
import secrets
from functools import partial
from typing import Final

from proxy.core.stored import Claim, StoreFailed
from proxy.policy.key_changes import Changes
from proxy.store.database import Database
from proxy.store.file import File

_TOKEN: Final = 16
"""Bytes."""


class FileClaims:
    """Asks the thread that reads when a request begins, and the one that writes for a lease."""

    __slots__ = ("_changes", "_file", "_timeout", "shared")

    def __init__(self, file: File, changes: Changes, timeout: float | None) -> None:
        """``timeout``: seconds that each of both may take, None for any time."""
        self._changes = changes
        self._file = file
        self._timeout = timeout
        self.shared = True

    async def take(self, name: bytes = b"") -> Claim:
        """Note that a request begins; with the lease of this name, where nobody has it."""
        claim = Claim(self._changes.now, name)
        try:
            async with asyncio.timeout(self._timeout):
                claim.order = await self._file.read(_now)
        except (StoreFailed, TimeoutError):
            return claim
        if not name:
            return claim
        wanted = _Wanted(name, secrets.token_bytes(_TOKEN))
        try:
            async with asyncio.timeout(self._timeout):
                holder = await self._file.change(wanted.take)
        except (StoreFailed, TimeoutError):
            wanted.is_given_up = True
            self._give_back(name, wanted.token)
        except BaseException:
            wanted.is_given_up = True
            self._give_back(name, wanted.token)
            raise
        else:
            if holder == wanted.token:
                claim.token = wanted.token
            else:
                claim.held_by = holder or b""
        return claim

    async def holder(self, name: bytes) -> bytes:
        """The token of who has this lease; empty for nobody, and where the file cannot be read."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._file.read(lambda db: db.agreements.holder(name))
        except (StoreFailed, TimeoutError):
            return b""

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

    def _give_back(self, name: bytes, token: bytes) -> None:
        self._file.begin(partial(self._file.write, partial(_give_back, name, token)))


class _Wanted:
    """A lease that is asked for, in the thread that writes."""

    __slots__ = ("is_given_up", "name", "token")

    def __init__(self, name: bytes, token: bytes) -> None:
        self.name = name
        self.token = token
        self.is_given_up = False
        """Whether whoever asked for it waits no more."""

    def take(self, database: Database) -> bytes:
        """The token of who has it now."""
        if self.is_given_up:
            return b""
        with database.transaction():
            return database.agreements.take(self.name, self.token)


def _now(database: Database) -> int:
    return database.agreements.now()


def _renew(name: bytes, token: bytes, database: Database) -> None:
    with database.transaction():
        database.agreements.renew(name, token)


def _give_back(name: bytes, token: bytes, database: Database) -> None:
    with database.transaction():
        database.agreements.give_back(name, token)
