"""Requests under way of all processes that share a file of SQLite.

A disk that is full may have room for a lease, of some bytes, where it has none for the reply, nor
for the end of the lease: others would wait for it in vain. So a process that could not write
something gives all of its leases back at once, in one change of a page or two. Then it takes none
for a while, and waits for none. There may be no room for that change either. So whoever waits for a
lease tries to write something itself, five times a second: if it cannot, it waits no longer. And
what could not be given back is tried again each second, while others may wait for it: the disk has
room then, or nobody has the file locked.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Final

from proxy.core.clock import monotonic
from proxy.core.stored import LEASE, Claim, StoreFailed
from proxy.policy.key_changes import Changes
from proxy.store.agreements import Agreements
from proxy.store.database import Database
from proxy.store.file import File

_HALF: Final = 8
"""Bytes of a token that say whose it is, and those that say which one."""
_TRIED_EVERY: Final = 0.2
"""Seconds between two changes that are made to see whether others can end their leases."""
_AGAIN: Final = 1.0
"""Seconds until leases are given back again that could not be."""


class FileClaims:
    """Asks the thread that writes for a lease, or the one that reads when a request begins."""

    __slots__ = (
        "_again",
        "_can_write",
        "_changes",
        "_ended",
        "_file",
        "_given_at",
        "_loop",
        "_owner",
        "_timeout",
        "_try_at",
        "shared",
    )

    def __init__(self, file: File, changes: Changes, timeout: float | None) -> None:
        """``timeout``: seconds that each of both may take, None for any time."""
        self._changes = changes
        self._file = file
        self._timeout = timeout
        self._owner = secrets.token_bytes(_HALF)
        """With which all tokens of ours begin."""
        self._ended: dict[bytes, tuple[bytes, float]] = {}
        """Tokens of ours that could not be given back, as the disk is full or another process has
        the file locked; each with its name, and until when the lease lasts at the most. ``_owner``
        stands for all of ours."""
        self._given_at = 0.0
        """When all of them were given back last, or could not be."""
        self._can_write = True
        """What `_try_to_write` has found last: whether others are waited for."""
        self._try_at = 0.0
        """When it is asked next; later than ever while it is under way."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._again: asyncio.TimerHandle | None = None
        self.shared = True

    async def take(self, name: bytes = b"") -> Claim:
        """Note that a request begins; with the lease of this name, where nobody has it."""
        claim = Claim(self._changes.now, name)
        if name and not self._file.is_unwritable():
            await self._take_lease(claim)
        if claim.order is None:
            try:
                claim.order = await self._file.read(lambda db: db.agreements.now(), self._timeout)
            except TimeoutError:
                self._file.say_late(self._timeout)
            except StoreFailed:
                pass  # the file has said so
        return claim

    def take_later(self) -> Claim:
        """A file does not say later what came before: there is no order."""
        return Claim(self._changes.now)

    async def _take_lease(self, claim: Claim) -> None:
        """With the order in one: each thread that is asked costs as much as the question."""
        self._loop = asyncio.get_running_loop()
        token = self._owner + secrets.token_bytes(_HALF)
        wanted = _Wanted(claim.name, token, self._ended, self._file.is_unwritable)
        found = None
        try:
            found = await self._file.change(wanted.take, self._timeout)
        except (StoreFailed, TimeoutError):
            return
        finally:
            if found is None:
                wanted.is_given_up = True
                if wanted.is_begun:
                    self._give_back(claim.name, token)
        if found is None:
            return
        holder, claim.order = found
        if holder == token:
            claim.token = token
        else:
            claim.held_by = holder

    async def holder(self, name: bytes) -> bytes:
        """The token of who has this lease; empty for nobody, and where the file fails."""
        if self._file.is_unwritable():
            return b""
        if monotonic() >= self._try_at:
            self._can_write, self._try_at = True, math.inf  # a slow disk is no reason not to wait
            self._file.begin(self._try_to_write)
        elif not self._can_write:
            return b""
        try:
            found = await self._file.read(lambda db: db.agreements.holder(name), self._timeout)
        except (StoreFailed, TimeoutError):
            return b""
        return b"" if found in self._ended else found

    def renew(self, claim: Claim) -> None:
        """Have the lease last from now on."""
        if token := claim.token:
            renew = partial(self._agree, lambda agreements: agreements.renew(claim.name, token))
            self._file.begin(renew)

    def give_back(self, claim: Claim) -> None:
        """Let others take the lease."""
        if claim.token:
            self._give_back(claim.name, claim.token)
            claim.token = b""

    def failed(self) -> None:
        """Something could not be stored: let others take all leases. In the thread that writes."""
        now = monotonic()
        if self._file.is_unwritable() and now >= self._given_at + _AGAIN:
            self._ended[self._owner] = b"", now + LEASE
            self._give_all_back()

    def close(self) -> None:
        """Try nothing again."""
        self._loop = None
        if self._again is not None:
            self._again.cancel()

    def _give_back(self, name: bytes, token: bytes) -> None:
        self._file.begin(partial(self._end, {token: name}))

    def _try_later(self) -> None:
        if self._loop is not None and self._again is None:
            self._again = self._loop.call_later(_AGAIN, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        self._file.begin(self._end_again)

    # In the thread that writes

    def _agree(self, change: Callable[[Agreements], None], *, at_once: bool = False) -> bool:
        """Have something written; False where that fails."""

        def agree(database: Database) -> bool:
            with database.transaction():
                change(database.agreements)
            return True

        return self._file.write(agree, at_once=at_once) is not None

    def _try_to_write(self) -> None:
        written = self._agree(lambda agreements: agreements.try_to_write(self._owner))
        self._can_write = written
        self._try_at = monotonic() + (_TRIED_EVERY if written else _AGAIN)
        if not written:
            self.failed()

    def _give_all_back(self) -> None:
        """Nothing is taken meanwhile, as nothing can be written."""
        self._given_at = monotonic()
        if self._agree(lambda agreements: agreements.give_all_back(self._owner), at_once=True):
            self._ended.clear()
        else:
            self._not_given_back()

    def _end(self, leases: Mapping[bytes, bytes]) -> None:
        """``leases``: names by token."""

        def give_back(agreements: Agreements) -> None:
            for token, name in leases.items():
                agreements.give_back(name, token)

        if self._agree(give_back):
            for token in leases:
                self._ended.pop(token, None)
            return
        until = monotonic() + LEASE
        for token, name in leases.items():
            self._ended.setdefault(token, (name, until))
        self._not_given_back()

    def _not_given_back(self) -> None:
        if (loop := self._loop) is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._try_later)

    def _end_again(self) -> None:
        now = monotonic()
        for token in [token for token, (_, until) in self._ended.items() if until <= now]:
            del self._ended[token]
        if self._owner in self._ended:
            self._give_all_back()
        elif self._ended:
            self._end({token: name for token, (name, _) in self._ended.items()})


class _Wanted:
    """A lease that is asked for, in the thread that writes."""

    __slots__ = ("ended", "is_begun", "is_given_up", "is_unwritable", "name", "token")

    def __init__(
        self,
        name: bytes,
        token: bytes,
        ended: Container[bytes],
        is_unwritable: Callable[[], bool],
    ) -> None:
        self.name = name
        self.token = token
        self.ended = ended
        self.is_unwritable = is_unwritable
        self.is_begun = False
        """Whether it may have been taken, or still be."""
        self.is_given_up = False
        """Whether whoever asked for it waits no more."""

    def take(self, database: Database) -> tuple[bytes, int] | None:
        """The token of who has it now, and the moment; None where nobody waits for that, or
        something could not be written since it was asked for."""
        if self.is_unwritable():
            return None
        self.is_begun = True  # before the look: one of both threads sees what the other has set
        if self.is_given_up:
            return None
        with database.transaction():
            holder = database.agreements.take(self.name, self.token, self.ended)
            return holder, database.agreements.now()
