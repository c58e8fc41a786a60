"""Requests under way of all machines that share a database of Redis."""

import secrets
from functools import partial
from typing import Final

from proxy.core.stored import LEASE, Claim, StoreFailed
from proxy.policy.key_changes import Changes
from proxy.store.redis_calls import RedisCalls, as_bytes
from proxy.store.redis_entry import Names
from proxy.store.redis_scripts import GIVE_BACK, RENEW, TAKE

_TOKEN: Final = 16
"""Bytes."""
_LASTS: Final = int(LEASE * 1000)
_DRIFT: Final = 1.001
"""By how much two clocks may differ that measure the same time: twice what NTP allows."""


class RedisClaims:
    """A lease is a key that expires, with a random token; who knows that may remove it.

    What is given back while Redis does not answer may stay until it expires. Its token is known
    here until then, and whoever asks for that lease next takes it over.
    """

    __slots__ = (
        "_calls",
        "_changes",
        "_ended",
        "_give_back",
        "_names",
        "_renew",
        "_take",
        "shared",
    )

    def __init__(self, calls: RedisCalls, changes: Changes, names: Names) -> None:
        self._calls = calls
        self._changes = changes
        self._names = names
        self._take = calls.client.register_script(TAKE)
        self._renew = calls.client.register_script(RENEW)
        self._give_back = calls.client.register_script(GIVE_BACK)
        self._ended: dict[bytes, float] = {}
        """Tokens of ours that could not be given back, and when that was."""
        self.shared = True

    async def take(self, name: bytes = b"") -> Claim:
        """Note that a request begins; with the lease of this name, where nobody has it."""
        claim = Claim(self._changes.now, name)
        token = secrets.token_bytes(_TOKEN) if name else b""

        async def take() -> tuple[int, bytes]:
            order, holder = await self._take([self._names.lease(name)], [token, _LASTS])
            return int(order), as_bytes(holder)

        try:
            claim.order, holder = await self._calls.ask(take)
        except StoreFailed:
            self._begin_to_give_back(name, token)
            return claim
        except BaseException:
            self._begin_to_give_back(name, token)
            raise
        if holder == token or self._ended.pop(holder, None) is not None:
            claim.token = holder
            if holder != token:
                self.renew(claim)
        else:
            claim.held_by = holder
        return claim

    def take_later(self) -> Claim:
        """Note that a request begins, while the upstream is asked; not while the circuit is open.

        Redis says its time when it answers. It was less by what passed since at the most, so what
        was invalidated after the request had begun is later than the order in any case.
        """
        claim = Claim(self._changes.now)
        began = self._calls.clock()

        async def take() -> None:
            now, _ = await self._take([self._names.lease(b"")], [b"", _LASTS])
            passed = (self._calls.clock() - began) * _DRIFT
            claim.order = int(now) - int(passed * 1_000_000) - 1

        if not self._calls.circuit.is_open:
            self._calls.begin(take)
        return claim

    async def holder(self, name: bytes) -> bytes:
        """The token of who has this lease; empty for nobody, and where Redis does not answer."""

        async def get() -> bytes:
            return as_bytes(await self._calls.client.get(self._names.lease(name)) or b"")

        try:
            found = await self._calls.ask(get)
        except StoreFailed:
            return b""
        return b"" if found in self._ended else found

    def renew(self, claim: Claim) -> None:
        """Have the lease last from now on."""
        if token := claim.token:
            self._calls.begin(lambda: self._renew([self._names.lease(claim.name)], [token, _LASTS]))

    def give_back(self, claim: Claim) -> None:
        """Let others take the lease."""
        self._begin_to_give_back(claim.name, claim.token)
        claim.token = b""

    def _begin_to_give_back(self, name: bytes, token: bytes) -> None:
        if not token:
            return
        give_back = partial(self._give_back, [self._names.lease(name)], [token])
        self._calls.begin(give_back, failed=partial(self._keep, token))

    def _keep(self, token: bytes) -> None:
        now, ended = self._calls.clock(), self._ended
        while ended and now - ended[oldest := next(iter(ended))] > LEASE:
            del ended[oldest]
        ended[token] = now
