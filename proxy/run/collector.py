"""Sends spans to a collector by OTLP over HTTP, in the background.

A collector that is away costs nothing but the spans: what waits has a bound, and a request of ours
that fails is tried again only where the protocol says so (OTLP 1, "Failures").
"""

import asyncio
import contextlib
import logging
import random
import ssl
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)

from proxy.core.clock import monotonic, wall
from proxy.net.look_ups import LOOK_UPS
from proxy.net.trust import same_on_every_python
from proxy.telemetry.options import LogOptions, TracingOptions

if TYPE_CHECKING:
    from proxy.telemetry.otlp import Tracer

EVERY: Final = 1.0
"""Seconds for which spans are collected before they are sent."""
PATIENCE: Final = 10.0
"""Seconds for one request to the collector."""
LAST: Final = 2.0
"""Seconds that the end waits for what is left."""
_AGAIN: Final = frozenset({429, 502, 503, 504})
_TRIES: Final = 5
_WAIT: Final = 1.0

log = logging.getLogger(__name__)


def collector(options: TracingOptions, logged: LogOptions) -> "Collector":
    """What ``[tracing]`` asks for, once nothing is lacking for it."""
    # Only those who want it pay for it: 30 ms and 3 MiB.
    from proxy.telemetry.otlp import Tracer  # noqa: PLC0415 - an extra
    from proxy.telemetry.spans import Spans  # noqa: PLC0415 - which alone needs it

    spans = Spans(logged.redact, random.getrandbits)
    tracer = Tracer(spans, options.service_name, float(logged.slow), lambda: wall() - monotonic())
    return Collector(tracer, options.endpoint)


class Collector:
    """The one that ``[tracing] endpoint`` names."""

    def __init__(self, tracer: "Tracer", endpoint: str) -> None:
        self.tracer = tracer
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = self._rejecting = False
        tracer.on_spans = self._wake

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        self._wanted.set()

    async def close(self) -> None:
        """Send what is left, for a bounded time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None  # the frames of its cancellation hold this
        if self.tracer.waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST), self._session() as session:
                    while self.tracer.waiting:
                        await self._send(session, tries=1)

    def _session(self) -> ClientSession:
        timeout = ClientTimeout(total=PATIENCE)
        # Where the command runs, aiohttp's own context has no certificates (``run/loading``).
        context: ssl.SSLContext | bool = True
        if self._url.startswith("https:"):
            context = same_on_every_python(ssl.create_default_context())
        return ClientSession(
            timeout=timeout,
            cookie_jar=DummyCookieJar(),
            connector=TCPConnector(
                ssl=context,
                resolver=ThreadedResolver(cast(Any, LOOK_UPS)),  # as upstream/resolver
            ),
            trust_env=False,
        )

    async def _run(self) -> None:
        async with self._session() as session:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await asyncio.sleep(EVERY)
                while self.tracer.waiting:
                    await self._send(session, tries=_TRIES)

    async def _send(self, session: ClientSession, tries: int) -> None:
        number, body = self.tracer.batch()
        fault = ""
        try:
            for again in range(tries):
                if again:
                    await asyncio.sleep(_WAIT * 2**again)
                fault, final, answer = await self._post(session, body)
                if not fault:
                    self._note("")
                    self._note_rejected(self.tracer.taken(number, answer))
                    return
                if final:
                    break
        except asyncio.CancelledError:
            self.tracer.dropped += number
            raise
        self.tracer.dropped += number
        self._note(fault)

    async def _post(self, session: ClientSession, body: bytes) -> tuple[str, bool, bytes]:
        """What went wrong, empty for nothing; whether it would go wrong again; and the answer."""
        kind = {"Content-Type": "application/x-protobuf"}
        try:
            async with session.post(
                self._url, data=body, headers=kind, allow_redirects=False
            ) as answer:
                said = await answer.read()
        except (ClientError, OSError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}", False, b""
        if answer.status < 300:
            return "", True, said
        return f"status {answer.status}", answer.status not in _AGAIN, said

    def _note(self, fault: str) -> None:
        """Say once that spans are lost, and once that they are not any more."""
        if fault and not self._failing:
            log.warning("the collector takes no spans, they are dropped: %s", fault)
        elif self._failing and not fault:
            log.info("the collector takes spans again")
        self._failing = bool(fault)

    def _note_rejected(self, rejected: str) -> None:
        """Say once that it takes some spans only: each batch may have some that it does not."""
        if rejected and not self._rejecting:
            self._rejecting = True
            log.warning("the collector has rejected spans, they are dropped: %s", rejected)
