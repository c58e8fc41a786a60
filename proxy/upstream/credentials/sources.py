"""Where the value of a key comes from: the configuration, or a file that may change."""

import asyncio
import math
from typing import Final, Protocol

from proxy.core.clock import Clock
from proxy.core.credentials import Field
from proxy.core.daemon_threads import in_daemon_thread
from proxy.core.looks import PATIENCE
from proxy.core.redaction import configured
from proxy.core.secret_file import SecretFile
from proxy.policy.keys import Key
from proxy.upstream.credentials.options import (
    CredentialsOptions,
    checked_content,
    credentials_field,
)

ASKED_EVERY: Final = 0.1
"""Seconds between two looks at a file that refusals ask for; each one needs a thread."""


class Source(Protocol):
    """Keeps the field of one key as it should be."""

    key: Key

    @property
    def may_change(self) -> bool:
        """Whether ``look`` has something to look at."""

    def open(self) -> None:
        """Begin to do what has to be done without being asked."""

    async def close(self) -> None:
        """Stop."""

    async def look(self) -> None:
        """A second has passed: look at the files."""

    async def ready(self, until: float) -> Field:
        """The field, at ``until`` (monotonic) at the latest. Raises CredentialsUnavailable."""

    async def refused(self, shown: Field, until: float) -> bool:
        """The upstream has refused what was shown: whether there is something else now."""


class Given:
    """A value that stands in the configuration."""

    __slots__ = ("_field", "_hidden", "key")

    def __init__(self, name: str, options: CredentialsOptions) -> None:
        """Raises ValueError where the value cannot stand in a field."""
        self._field = credentials_field(options)
        self._hidden = configured(self._field[1])
        self.key = Key(name, self._field)

    @property
    def may_change(self) -> bool:
        """False: a fixed value stays as it is."""
        return False

    def open(self) -> None:
        """Nothing has to be done."""

    async def close(self) -> None:
        """Nothing was begun."""

    async def look(self) -> None:
        """It has no file."""

    async def ready(self, until: float) -> Field:
        """It is always there."""
        return self._field

    async def refused(self, shown: Field, until: float) -> bool:
        """There is no other."""
        return False


class FromFile:
    """A value that stands in a file, which may be written anew."""

    __slots__ = ("_asked_at", "_clock", "_field", "_file", "_header", "_look", "key")

    def __init__(self, name: str, options: CredentialsOptions, clock: Clock) -> None:
        """Raises OSError, or ValueError where the value cannot stand in a field."""
        self._clock = clock
        self._file: Final = SecretFile(options.value_file, checked_content)
        self._header = options.header.encode()
        self._field = (self._header, self._file.value)
        self._asked_at = -math.inf
        """When a refusal has had it looked at; looks that are made every second do not count."""
        self._look: asyncio.Task[None] | None = None
        """The look that is under way."""
        self.key = Key(name, self._field)

    @property
    def may_change(self) -> bool:
        """A pipe does not."""
        return self._file.may_change

    def open(self) -> None:
        """Nothing to do: the look at all files opens it."""

    async def close(self) -> None:
        """A look that is under way ends by itself."""

    async def look(self) -> None:
        """Read the file if it has changed; a disk may stand still, the loop may not."""
        if self._file.may_change:
            await asyncio.wait((self._looks(),))

    def _looks(self) -> "asyncio.Task[None]":
        """One look at a time, for all who want one; whoever leaves does not end it."""
        if self._look is None:
            self._look = asyncio.create_task(self._read())
        return self._look

    async def _read(self) -> None:
        try:
            if await in_daemon_thread(self._file.changed):
                self._field = (self._header, self._file.value)
                self.key.renew(self._field)
        finally:
            self._look = None

    async def ready(self, until: float) -> Field:
        """What the file has said last."""
        return self._field

    async def refused(self, shown: Field, until: float) -> bool:
        """Look at once; refusals that follow each other closely have one look for all of them."""
        if self._field == shown and self._file.may_change:
            now = self._clock()
            if self._look is None and now - self._asked_at < ASKED_EVERY:
                return False
            self._asked_at = now
            await asyncio.wait((self._looks(),), timeout=max(0.0, min(until - now, PATIENCE)))
        return self._field != shown
