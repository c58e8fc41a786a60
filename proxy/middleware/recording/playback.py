"""A recorded reply, given again."""

import asyncio
from typing import Final

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.recording import Answer
from proxy.core.reply import Ending, Reply
from proxy.http.fields import without

_TRAILER: Final = b"trailer"


class PlayedBody:
    """The pieces of a body, at once or when they came."""

    __slots__ = ("_answer", "_at", "_began", "_clock", "_number")

    buffered: None = None

    def __init__(self, answer: Answer, clock: Clock | None) -> None:
        """``clock``: of a body that takes its time; None: at once."""
        self._answer = answer
        self._clock = clock
        self._began = 0.0 if clock is None else clock()
        self._number = self._at = 0

    async def read(self) -> bytes:
        """The next piece, ``b""`` at the end. A stream that had no end is silent from there on."""
        answer = self._answer
        if self._number == len(answer.pieces):
            if not answer.ended:
                await asyncio.get_running_loop().create_future()  # until the client leaves
            return b""
        moment, size = answer.pieces[self._number]
        if self._clock is not None:
            await asyncio.sleep(max(0.0, self._began + moment - self._clock()))
        self._number += 1
        start, self._at = self._at, self._at + size
        return answer.body[start : self._at]

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


async def played(exchange: Exchange, answer: Answer, clock: Clock | None) -> Reply:
    """The reply, after the time that the API took where there is a ``clock``."""
    if clock is not None:
        await asyncio.sleep(answer.wait)
    fields = answer.fields
    if not exchange.takes_trailers:  # RFC 9110 6.5.1
        fields = without(fields, _TRAILER)
    body = PlayedBody(answer, clock)
    reply = Reply(answer.status, fields, body, reason=answer.reason, length=answer.length)
    if answer.trailers and exchange.takes_trailers:
        reply.trailers = lambda: answer.trailers
    return reply
