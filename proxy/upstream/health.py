"""Active health checks: each server is asked now and then whether it is well."""

import asyncio
import logging
import random
from typing import Annotated, Any, Final

from msgspec import Meta

from proxy.core.clock import monotonic
from proxy.core.duration import Duration, seconds
from proxy.core.errors import (
    ConnectionTerminated,
    LocalLimit,
    ProxyError,
    Stage,
    UpstreamError,
    forget_frames,
)
from proxy.core.exchange import Exchange
from proxy.core.local_limits import complain
from proxy.core.options import Table, described
from proxy.core.outcome import STALE_CONNECTION, failure_class
from proxy.core.reply import Ending, Reply
from proxy.core.state_changes import tell
from proxy.core.tasks import keep
from proxy.core.timeouts import TimeoutsOptions
from proxy.policy.health import Health
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.forward import Forward

PATTERN: Final = "^/[!-~]*$"
_KEPT: Final = 3
"""Connections that may have ended before a new one is made: requests keep some as well."""
log = logging.getLogger(__name__)


class HealthCheckOptions(Table, frozen=True, kw_only=True):
    """Asks every server now and then; one that does not answer 200 to 399 gets no requests."""

    path: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description="Path that is asked for, with GET. Host is the server's own, or "
            "`host_header` of the upstream where that is a name.",
        ),
    ] = "/"
    interval: Annotated[
        Duration, described("Time between two checks of a server, 10 % more or less.")
    ] = seconds(5)
    timeout: Annotated[
        Duration,
        described(
            "How long an answer may take. If none comes on a connection that was idle, the check "
            "is made once more on another one, before it counts."
        ),
    ] = seconds(2)
    healthy_threshold: Annotated[
        int,
        Meta(
            ge=1,
            description="Good answers in a row after which a server is used again. The first good "
            "answer that it gives at all is enough.",
        ),
    ] = 2
    unhealthy_threshold: Annotated[
        int,
        Meta(
            ge=1,
            description="Failures in a row after which it is not used. Of a server that has given "
            "no good answer yet one is enough, if another server is left.",
        ),
    ] = 3


class Checker:
    """Checks one server, on connections like those that requests use."""

    __slots__ = (
        "_ask",
        "_credentials",
        "_endpoint",
        "_endpoints",
        "_health",
        "_options",
        "_rng",
        "_task",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        options: HealthCheckOptions,
        rng: random.Random,
        endpoints: Endpoints,
    ) -> None:
        """``endpoints``: all of the upstream to which ``endpoint`` belongs."""
        self._credentials = endpoints.credentials
        self._endpoint = endpoint
        self._endpoints = endpoints
        self._ask = Forward(endpoint.address, endpoint.check_pool, TimeoutsOptions(), tuple).handle
        self._options = options
        self._rng = rng
        self._health = Health(
            healthy_threshold=options.healthy_threshold,
            unhealthy_threshold=options.unhealthy_threshold,
            healthy=endpoint.healthy,
            proven=endpoint.proven,
        )
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Check no more."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Stop, and wait for it."""
        self.stop()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None  # the frames of its cancellation hold this

    async def _run(self) -> None:
        interval = self._options.interval
        # Not all at once, neither at start nor later.
        await asyncio.sleep(interval * self._rng.random() * 0.1)
        while True:
            if (fault := await self._check()) is not None:
                self._record(fault)
            await asyncio.sleep(interval * (0.9 + 0.2 * self._rng.random()))

    async def _check(self) -> str | None:
        """What is wrong with it, empty for nothing; None where it could not be asked.

        NAT and firewalls forget idle connections without a word. No answer on one of them says
        nothing of the server: it is asked once more, and no request is to wait on the others.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        fault, forgotten = await self._asked()
        if forgotten:
            idle_for = clock() - began  # others have been of use meanwhile
            self._endpoint.check_pool.close_idle(idle_for)
            fault, _ = await self._asked()
            if not fault:  # it was the connection
                self._endpoint.pool.close_idle(clock() - began)
        return fault

    async def _asked(self) -> tuple[str | None, bool]:
        """What is wrong, as above, and whether nothing came on a connection that was idle."""
        exchange = Exchange(
            "GET",
            self._options.path.encode(),
            [(b"User-Agent", b"sidecar-proxy-health-check"), *self._credentials.shown()],
            self._options.path.encode(),
            started_at=monotonic(),
        )
        fault = await self._fault(exchange)
        record = exchange.record
        return fault, bool(fault) and record.connect_s == 0.0 and record.first_byte_at is None

    async def _fault(self, exchange: Exchange) -> str | None:
        try:
            async with asyncio.timeout(self._options.timeout or None):
                reply = await self._reply(exchange)
                ending = Ending.ABANDONED
                try:
                    while await reply.read():
                        pass
                    ending = Ending.COMPLETE
                finally:
                    reply.close(ending)
        except TimeoutError:
            return "timeout"
        except LocalLimit as error:
            complain(error.kind, error.detail)
            return None
        except ProxyError as error:
            return f"{type(error).__name__}: {error.detail}"
        except Exception as error:  # or nobody would ever check it again
            log.exception("a check of %s failed", self._endpoint.name)
            return repr(error)
        return "" if reply.status < 400 else f"status {reply.status}"

    async def _reply(self, exchange: Exchange) -> Reply:
        for _ in range(_KEPT):
            try:
                return await self._ask(exchange)
            except UpstreamError as error:
                if not _had_ended(error):
                    raise
                forget_frames(error)
        self._endpoint.check_pool.close_idle()  # those that were idle for longer have ended too
        return await self._ask(exchange)

    def _record(self, fault: str) -> None:
        health, endpoint = self._health, self._endpoint
        if fault:
            health.failed(last=self._last)
        else:
            health.passed()
            endpoint.proven = True
        if health.healthy == endpoint.healthy:
            return
        endpoint.set_health(healthy=health.healthy)
        of: dict[str, Any] = {"upstream": endpoint.address.upstream, "endpoint": endpoint.name}
        if endpoint.healthy:
            tell("healthy", f"{endpoint.name} is healthy again", **of)
        else:
            tell("unhealthy", f"{endpoint.name} is unhealthy: {fault}", **of, fault=fault)

    @property
    def _last(self) -> bool:
        """Whether no other server is left that is healthy and not drained; ejected ones count."""
        return not any(
            each.healthy and not each.withdrawn
            for each in self._endpoints.members
            if each is not self._endpoint
        )


def _had_ended(error: UpstreamError) -> bool:
    """Whether only a kept connection has ended, which the server may do at any time."""
    if error.stage is Stage.NOT_SENT:
        return isinstance(error, ConnectionTerminated)
    return failure_class(error) == STALE_CONNECTION


class HealthGuard:
    """Checks all endpoints of an upstream, those that come later too."""

    __slots__ = ("_checkers", "_endpoints", "_gone", "_rng", "options")

    def __init__(
        self, endpoints: Endpoints, options: HealthCheckOptions, rng: random.Random
    ) -> None:
        self._endpoints = endpoints
        self.options = options
        self._rng = rng
        self._checkers: dict[Endpoint, Checker] = {}
        self._gone: set[asyncio.Task[None]] = set()
        endpoints.on_membership.append(self._follow)
        self._follow()

    def stop(self) -> None:
        """Check no more."""
        if self._follow in self._endpoints.on_membership:
            self._endpoints.on_membership.remove(self._follow)
        for checker in self._checkers.values():
            checker.stop()

    async def close(self) -> None:
        """Stop, and wait for it."""
        self.stop()
        await asyncio.gather(*self._gone, *[checker.close() for checker in self._checkers.values()])

    def _follow(self) -> None:
        for endpoint in self._endpoints.members:
            if endpoint not in self._checkers:
                self._checkers[endpoint] = Checker(
                    endpoint, self.options, self._rng, self._endpoints
                )
        for endpoint in self._checkers.keys() - set(self._endpoints.members):
            keep(asyncio.ensure_future(self._checkers.pop(endpoint).close()), self._gone)
