"""Records what clients ask and the API answers, or answers in its place.

How it works. ``sidecar-proxy record`` and ``sidecar-proxy replay`` give the proxy a
``RecordingMode``; no table of a configuration does. This link stands above the whole chain, so a
recording has what clients see: after retries, rewriting and all else that the configuration asks
for.

- **Recording.** The body of a request is read before it is sent, since the request is found by it.
  The reply is kept while it is read, and written when its last byte has come. What is cut or given
  up is not recorded. A stream of events often has no end: what its client has seen until it left
  is recorded, and marked so.
- **Replaying.** The answers to one request come in the order in which they were recorded, and the
  last one again and again. A request that was not recorded is 502. Nothing below is asked.
"""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

from proxy.core.body import EMPTY, read_whole
from proxy.core.clock import Clock
from proxy.core.errors import NotRecorded, ProxyError
from proxy.core.exchange import Exchange, Handler
from proxy.core.recording import MOST, Answer, Question
from proxy.core.recording_mode import RecordingMode
from proxy.core.redaction import HIDDEN
from proxy.core.reply import Ending, Reply
from proxy.core.scope import Scope
from proxy.http.fields import without
from proxy.http.sse import streams_events
from proxy.middleware.recording.asking import not_found, question_of, secrets_asked
from proxy.middleware.recording.decoded import decoded
from proxy.middleware.recording.playback import played
from proxy.middleware.recording.scrubbing import Scrubber, cookies_set

log = logging.getLogger(__name__)

Pieces: TypeAlias = list[tuple[float, bytes]]
"""Seconds from the head to each, and its bytes."""


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where the command is ``record`` or ``replay``."""
    mode = scope.shared.recording_mode
    if mode is None:
        return None
    if not mode.replays:
        return Recorder(inner, mode, scope.shared.clock).handle
    replayer: Replayer = scope.shared.share("replay", partial(Replayer, mode, scope.shared.clock))
    return replayer.handle


class Recorder:
    """Keeps what goes through."""

    __slots__ = ("_clock", "_compressed", "_inner", "_recording", "_scrubber")

    def __init__(self, inner: Handler, mode: RecordingMode, clock: Clock) -> None:
        self._inner = inner
        self._recording = mode.recording
        self._scrubber = Scrubber(mode.recording.redact)
        self._compressed = mode.compressed
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """The reply of the API, which is recorded while it is read."""
        content = await _content(exchange)
        if content is None:
            log.warning("%s is not recorded: its body is long or has trailers", _name(exchange))
            return await self._inner(exchange)
        question = question_of(exchange, content, self._scrubber)
        secrets = secrets_asked(exchange, content, self._scrubber)
        if not self._compressed:  # so that files can be read, and secrets in them be found
            exchange.headers = without(exchange.headers, b"accept-encoding")
        began = self._clock()
        try:
            reply = await self._inner(exchange)
        except Exception:
            log.warning("%s is not recorded: the API did not answer", _name(exchange))
            raise
        if reply.upgraded is not None:
            log.warning("%s is not recorded: it is HTTP no more", _name(exchange))
            return reply
        taken = _Taken(question, secrets, reply, self._clock() - began)
        body = RecordedBody(reply, partial(self._keep, taken), self._clock)
        return reply.with_body(body, reply.length)

    def _keep(self, taken: "_Taken", pieces: Pieces | None, *, ended: bool) -> None:
        question, reply = taken.question, taken.reply
        name = f"{question.method} {question.target.decode('latin-1')}"
        if pieces is None:
            log.warning("%s is not recorded: its reply is longer than %d MiB", name, MOST >> 20)
        elif not ended and not (pieces and streams_events(reply.headers)):
            log.warning("%s is not recorded: its reply was not read to its end", name)
        else:
            if decoded(b"".join([data for _, data in pieces]), reply.headers) is None:
                log.warning("%s: secrets in its compressed body are not found", name)
            try:
                self._recording.add(question, self._answer(taken, pieces, ended=ended))
            except OSError as error:
                log.error("%s is not recorded: %s", name, error)

    def _answer(self, taken: "_Taken", pieces: Pieces, *, ended: bool) -> Answer:
        """The reply without its secrets."""
        scrubber, reply = self._scrubber, taken.reply
        came = b"".join([data for _, data in pieces])
        fields = scrubber.reply_fields(without(reply.headers, b"content-length"), taken.secrets)
        secrets = [*taken.secrets, *cookies_set(reply.headers)]
        body, fields = scrubber.reply_body(came, fields, secrets)
        sizes = [(at, len(data)) for at, data in pieces]
        length = reply.length
        if len(body) != len(came):  # it was compressed
            sizes = [(sizes[0][0], len(body))]
            length = None if length is None else len(body)
        trailers = reply.last_trailers() if ended else ()
        return Answer(
            status=reply.status,
            reason=reply.reason,
            fields=fields,
            body=body,
            pieces=sizes,
            trailers=scrubber.reply_fields(trailers, taken.secrets),
            wait=taken.wait,
            length=length,
            ended=ended,
        )


class _Taken(NamedTuple):
    """A reply that is being recorded."""

    question: Question
    secrets: list[bytes]
    reply: Reply
    wait: float


class RecordedBody:
    """The body of a reply, of which everything is kept."""

    __slots__ = ("_began", "_clock", "_keep", "_pieces", "_reply", "_size", "_told")

    buffered: None = None

    def __init__(self, reply: Reply, keep: Callable[..., None], clock: Clock) -> None:
        """``keep`` is told of the pieces, None if they are too long; ``ended``: that is all."""
        self._reply = reply
        self._keep = keep
        self._clock = clock
        self._began = clock()
        self._pieces: Pieces | None = []
        self._size = 0
        self._told = False

    async def read(self) -> bytes:
        """The next bytes."""
        data = await self._reply.read()
        if not data:
            self._tell(ended=True)
        elif self._pieces is not None:
            self._size += len(data)
            self._pieces.append((self._clock() - self._began, data))
            if self._size > MOST:
                self._pieces = None
        return data

    def pause(self, *, paused: bool) -> None:
        """As the reply that it reads."""
        self._reply.pause(paused=paused)

    def last_words(self, error: ProxyError) -> bytes | None:
        """Likewise: they are not the API's."""
        return self._reply.last_words(error)

    def close(self, ending: Ending) -> None:
        """Close the reply that it reads."""
        self._tell(ended=False)
        self._reply.close(ending)

    def _tell(self, *, ended: bool) -> None:
        if not self._told:
            self._told = True
            self._keep(self._pieces, ended=ended)


class Replayer:
    """Answers in the place of the API; one for all routes."""

    __slots__ = ("_clock", "_given", "_recording", "_scrubber")

    def __init__(self, mode: RecordingMode, clock: Clock) -> None:
        self._recording = mode.recording
        self._scrubber = Scrubber(mode.recording.redact)
        self._clock = clock if mode.paced else None
        self._given: Counter[str] = Counter()

    async def handle(self, exchange: Exchange) -> Reply:
        """The answer that was recorded. Raises NotRecorded."""
        content = await _content(exchange)
        if content is None:
            raise NotRecorded(f"{_name(exchange)} has a body that no recorded request can have")
        question = question_of(exchange, content, self._scrubber)
        number = self._recording.count(question.key)
        if not number:
            raise NotRecorded(not_found(question, self._recording.questions()))
        turn = self._given[question.key]
        self._given[question.key] += 1
        try:
            answer = self._recording.answer(question.key, min(turn, number - 1))
        except (OSError, ValueError) as error:
            raise NotRecorded(f"the recording of {_name(exchange)} is damaged: {error}") from None
        return await played(exchange, answer, self._clock)


async def _content(exchange: Exchange) -> bytes | None:
    return b"" if exchange.body is EMPTY else await read_whole(exchange.body, MOST, spooled=True)


def _name(exchange: Exchange) -> str:
    path, mark, _ = exchange.raw_target.decode("latin-1").partition("?")
    return f"{exchange.method} {path}{mark and f'?{HIDDEN}'}"
