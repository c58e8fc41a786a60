"""Access tokens that are renewed before they expire.

How it works. One request to the token server is under way at a time, whoever wants the token: the
timer that renews it ahead of its end, a request that finds none, or one that was answered with 401.
A failure leaves the token before in use until it expires, is said once, and is followed by another
try after 1 s, then 2, 4 and so on up to 30 s. Without a token, requests wait for the try that is
under way; between two tries they are refused at once, so that a crowd costs the token server
nothing.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final

from proxy.core.clock import Clock
from proxy.core.credentials import Field
from proxy.core.errors import CredentialsUnavailable
from proxy.core.redaction import Rotating, rotating
from proxy.policy.keys import Key
from proxy.upstream.credentials.token_server import NoToken, Token

log = logging.getLogger(__name__)

_AHEAD: Final = 60.0
"""Seconds before its end at which a token is renewed, a quarter of a short life at most."""
_ON_THE_WAY: Final = 5.0
"""Seconds before its end from which a token is not shown any more: a request takes its time too."""
_FIRST, _LAST = 1.0, 30.0
"""Seconds between two tries, doubled each time."""
_YOUNG: Final = 5.0
"""Seconds in which the refusal of a token is not taken for its end."""


class Tokens:
    """The token of one key."""

    __slots__ = (
        "_ask",
        "_clock",
        "_got_at",
        "_header",
        "_hidden",
        "_next_try",
        "_odd_life",
        "_pause",
        "_task",
        "_timer",
        "_upstream",
        "failure",
        "failures",
        "key",
        "renewals",
    )

    def __init__(
        self,
        key: Key,
        header: bytes,
        ask: Callable[[], Awaitable[Token]],
        upstream: str,
        clock: Clock,
    ) -> None:
        """``ask`` gives a new token or raises NoToken."""
        self.key = key
        self._header = header
        self._ask = ask
        self._upstream = upstream
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._hidden: Rotating | None = None
        self._odd_life = False
        """Whether it has been said that the server says no life of use."""
        self._got_at = -math.inf
        self._next_try = -math.inf
        self._pause = _FIRST
        self.failure = ""
        """Why the last try gave no token; empty where it gave one."""
        self.failures = 0
        """Tries that gave none."""
        self.renewals = 0
        """Tries that gave one."""

    @property
    def may_change(self) -> bool:
        """Not by a file that others look at."""
        return False

    def open(self) -> None:
        """Ask for the first token, before the first request needs it; later calls do nothing."""
        if self._got_at == self._next_try == -math.inf:
            self._renew()

    async def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def look(self) -> None:
        """The file with the client's secret is looked at when it is needed."""

    async def ready(self, until: float) -> Field:
        """A token that has not expired. Raises CredentialsUnavailable."""
        if (field := self._usable()) is not None:
            return field
        now = self._clock()
        if self._task is None and now < self._next_try:
            raise self._unavailable(self._next_try - now)
        await self._renewed(until)
        if (field := self._usable()) is not None:
            return field
        raise self._unavailable(max(0.0, self._next_try - self._clock()))

    async def refused(self, shown: Field, until: float) -> bool:
        """Renew it: it may have been withdrawn."""
        if self.key.field == shown and self._clock() - self._got_at >= _YOUNG:
            if self._task is None and self._clock() < self._next_try:
                return False
            await self._renewed(until)
        return self._usable() not in (None, shown)

    def _usable(self) -> Field | None:
        key = self.key
        return key.field if self._clock() < key.usable_until else None

    def _unavailable(self, retry_after: float) -> CredentialsUnavailable:
        why = self.failure or "the token server has not answered yet"
        detail = f"no token for {self._upstream} ({self.key.name}): {why}"
        return CredentialsUnavailable(detail, retry_after=retry_after)

    async def _renewed(self, until: float) -> None:
        """Wait for the try that is under way, or for a new one; leaving does not end it."""
        await asyncio.wait((self._renew(),), timeout=max(0.0, until - self._clock()))

    def _renew(self) -> asyncio.Task[None]:
        if self._task is None:
            if self._timer is not None:
                self._timer.cancel()
            self._task = asyncio.create_task(self._try())
        return self._task

    async def _try(self) -> None:
        asked_at = self._clock()
        try:
            token = await self._ask()
        except NoToken as error:
            self._failed(str(error))
        except Exception as error:  # or nobody would ever ask again
            log.exception("the token of %s", self._upstream)
            self._failed(type(error).__name__)
        else:
            self._take(token, asked_at)
        finally:
            self._task = None

    def _take(self, token: Token, asked_at: float) -> None:
        life = token.lifetime
        self._hidden = rotating(token.value)
        self._got_at, self._pause, self._next_try = self._clock(), _FIRST, -math.inf
        self.renewals += 1
        margin = min(_ON_THE_WAY, life / 10)
        self.key.renew((self._header, b"Bearer " + token.value), asked_at + life - margin)
        if self.failure:
            log.info("there is a token for %s (%s) again", self._upstream, self.key.name)
        self.failure = ""
        if token.odd_life and not self._odd_life:
            message = "expires_in of a token for %s (%s) is no number of seconds above 0: "
            message += "it is used until a reply with 401"
            log.warning(message, self._upstream, self.key.name)
        self._odd_life = self._odd_life or token.odd_life
        if life < math.inf:
            self._again_in(max(_FIRST, asked_at + life - min(_AHEAD, life / 4) - self._got_at))

    def _failed(self, why: str) -> None:
        self.failures += 1
        if why != self.failure:
            self.failure = why
            log.warning("no token for %s (%s): %s", self._upstream, self.key.name, why)
        self._next_try = self._clock() + self._pause
        self._again_in(self._pause)
        self._pause = min(2 * self._pause, _LAST)

    def _again_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(seconds, 86400.0), self._renew)
