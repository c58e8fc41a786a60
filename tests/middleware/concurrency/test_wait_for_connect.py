"""What waits for a server, and what does not."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import (
    CertificateInvalid,
    ConnectFailed,
    ConnectionTerminated,
    ConnectTimeout,
    NameUnknown,
    NoEndpointAvailable,
    ProxyError,
    QueueFull,
    ResponseTimeout,
    Stage,
    UpstreamError,
)
from proxy.core.exchange import Exchange
from proxy.core.record import QUOTA, SERVER, Attempt
from proxy.core.reply import Reply
from proxy.middleware.concurrency.options import QueueOptions
from proxy.middleware.concurrency.reconnection import Reconnection
from proxy.middleware.concurrency.wait_for_connect import WaitForConnect, link
from proxy.policy.queue import Queue
from tests.support.caching import settled
from tests.support.loop import JumpingLoop, Script, get, loop_clock, post, reply, settle
from tests.support.proxy import parsed
from tests.support.scope import ServersOnly, upstream_scope

API = '[[upstreams]]\nname = "a"\nservers = ["http://a"]'


class Waits:
    """Requests that wait for ``patience``, over a script."""

    def __init__(
        self, *outcomes: Any, size: int = 10, order: str = "fifo", patience: float = 30.0
    ) -> None:
        self.script = Script(*outcomes)
        self.servers = ServersOnly()
        options: Any = QueueOptions(size=size, order=order)  # type: ignore[arg-type]
        self.waiting = Reconnection(self.servers, Queue(size, order))
        self.handle = WaitForConnect(
            self.script, self.waiting, options, patience, self.servers, clock=loop_clock()
        ).handle


@pytest.mark.parametrize("exchange", [get, post])
@pytest.mark.parametrize("error", [ConnectFailed, ConnectTimeout, NameUnknown])
async def test_what_was_not_sent_is_sent_later(
    jumping: JumpingLoop, exchange: Any, error: type[ProxyError]
) -> None:
    waits = Waits(error, error, error, reply(201))
    request, begun = exchange(), jumping.time()
    assert (await waits.handle(request)).status == 201
    assert jumping.time() - begun == pytest.approx(0.3)
    assert request.record.queue_s == pytest.approx(0.3)
    assert (request.record.wait, request.record.longest_wait.what) == (None, SERVER)
    assert (waits.waiting.woken, waits.waiting.waiting) == (1, False), "tries do not count"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (CertificateInvalid(), None),
        (ConnectionTerminated(stage=Stage.SENT), None),
        (ResponseTimeout(stage=Stage.SENT), ConnectFailed()),
        (QueueFull(), ConnectFailed()),
        (NoEndpointAvailable(), None),  # it is left alone for what it answered
        (NoEndpointAvailable(), CertificateInvalid()),
    ],
)
async def test_what_waiting_does_not_help_is_told_at_once(
    jumping: JumpingLoop, error: ProxyError, why: UpstreamError | None
) -> None:
    waits = Waits(error)
    waits.servers.unreachable = why
    assert await settle(waits.handle(get())) is error
    assert waits.script.sends == 1


async def test_a_server_that_was_gone_and_is_ejected_for_that_is_waited_for(
    jumping: JumpingLoop,
) -> None:
    waits = Waits(NoEndpointAvailable(), NoEndpointAvailable(), reply(200))
    waits.servers.unreachable = ConnectFailed("gone")
    task = asyncio.create_task(waits.handle(get()))
    await asyncio.sleep(0.05)
    waits.servers.unreachable = None  # it is back, but still on trial
    assert (await task).status == 200


async def test_a_body_that_cannot_be_sent_again_is_not_waited_for(jumping: JumpingLoop) -> None:
    waits = Waits(ConnectFailed("gone"))
    assert isinstance(await settle(waits.handle(post(resendable=False))), ConnectFailed)


async def test_the_wait_ends_with_the_last_failure(jumping: JumpingLoop) -> None:
    waits = Waits(*[ConnectFailed("gone")] * 400)
    begun = jumping.time()
    told = await settle(waits.handle(post()))
    assert isinstance(told, ConnectFailed)
    assert told.detail == "gone; waited for wait_for_connect of 30 s"
    assert jumping.time() - begun == pytest.approx(30, abs=0.2)
    assert (waits.waiting.timed_out, waits.waiting.waiting) == (1, False)


async def test_a_newcomer_waits_behind_the_others_and_asks_nobody(jumping: JumpingLoop) -> None:
    waits = Waits(ConnectFailed, (0.01, reply(200)), reply(201))
    first = asyncio.create_task(waits.handle(get("/first")))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(waits.handle(get("/second")))
    await asyncio.sleep(0.04)
    assert waits.script.sends == 1
    assert ((await first).status, (await second).status) == (200, 201)
    assert [each.path for each in waits.script.exchanges] == ["/first", "/first", "/second"]


async def test_the_log_shows_the_attempts_since_the_last_wait(jumping: JumpingLoop) -> None:
    async def fails(exchange: Exchange) -> Reply:
        exchange.record.attempt_count += 1
        exchange.record.attempt_log += (Attempt("a", "connect-failure", 0.0),)
        raise ConnectFailed

    waits = Waits(*[fails] * 9, reply(200))
    request = get()
    await waits.handle(request)
    assert request.record.attempt_log == (Attempt("a", "connect-failure", 0.0),)
    assert (request.record.attempt_count, request.record.unlogged) == (9, 8)


async def test_there_is_no_place_for_more_than_the_queue_has(jumping: JumpingLoop) -> None:
    waits = Waits(ConnectFailed, reply(200), size=1)
    first = asyncio.create_task(waits.handle(get()))
    await asyncio.sleep(0.01)
    full = await settle(waits.handle(get()))
    assert isinstance(full, QueueFull)
    assert "the queue is full" in full.detail
    assert (await first).status == 200


async def test_who_loses_its_place_is_told_so(jumping: JumpingLoop) -> None:
    waits = Waits(ConnectFailed, reply(200), size=1, order="lifo")
    first = asyncio.create_task(settle(waits.handle(get())))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(waits.handle(get()))
    assert isinstance(await first, QueueFull)
    assert (await second).status == 200


@pytest.mark.parametrize("left_at", [0.05, 0.1, 0.15])
async def test_who_leaves_is_nobody_s_concern_any_more(
    jumping: JumpingLoop, left_at: float
) -> None:
    waits = Waits(ConnectFailed, *[(0.1, reply(200))] * 2)
    first = asyncio.create_task(waits.handle(get()))
    await asyncio.sleep(0)
    second = asyncio.create_task(waits.handle(get()))
    jumping.call_later(left_at, first.cancel)
    begun = jumping.time()
    assert (await second).status == 200
    assert jumping.time() - begun < 0.5
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not waits.waiting.waiting


async def test_one_whose_time_is_over_when_its_client_leaves_is_told_nothing(
    jumping: JumpingLoop,
) -> None:
    failures: list[object] = []
    jumping.set_exception_handler(lambda _, context: failures.append(context))
    waits = Waits(ConnectFailed, patience=1 / 16)  # to the bit, and before it tries again
    task = asyncio.create_task(waits.handle(get()))
    jumping.call_at(jumping.time() + 1 / 16, task.cancel)  # rings first: it was set before
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (waits.waiting.timed_out, waits.waiting.waiting, failures) == (0, False, [])


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("", False),
        ('[retry]\nwait_for_connect = "0"\n', False),
        ("retry = false\n", False),
        ('[retry]\nattempts = 1\nwait_for_connect = "30s"\n', True),
    ],
)
async def test_the_link_is_there_where_somebody_may_wait(
    jumping: JumpingLoop, text: str, there: bool
) -> None:
    scope = upstream_scope(parsed(text + API))
    assert (link(scope, Script()) is not None) is there
    assert [type(each.thing) for each in scope.shared.watched] == [Reconnection] * there


async def test_who_has_something_better_than_a_wait_does_not_wait(jumping: JumpingLoop) -> None:
    waits = Waits(ConnectFailed, ConnectFailed, reply(200))
    request, begun = get(), jumping.time()
    request.suffices = lambda came: isinstance(came, ConnectFailed)
    with pytest.raises(ConnectFailed):
        await waits.handle(request)
    other = asyncio.ensure_future(waits.handle(get()))
    await settled()
    assert (waits.script.sends, waits.waiting.waiting) == (2, True)
    with pytest.raises(ConnectFailed):  # not behind the other one either
        await waits.handle(request)
    assert (waits.script.sends, jumping.time()) == (2, begun)
    assert (await other).status == 200


@pytest.mark.parametrize("first", [ConnectFailed("gone"), NoEndpointAvailable("ejected")])
async def test_that_a_server_is_ejected_meanwhile_is_not_what_the_client_is_told(
    jumping: JumpingLoop, first: UpstreamError
) -> None:
    waits = Waits(first, *[NoEndpointAvailable("ejected")] * 400)
    waits.servers.unreachable = ConnectFailed("gone")
    told = await settle(waits.handle(get()))
    assert isinstance(told, ConnectFailed)
    assert told.detail == "gone; waited for wait_for_connect of 30 s"


@pytest.mark.parametrize("connected", [True, False])
async def test_a_try_without_a_connection_does_not_outlast_the_wait(
    jumping: JumpingLoop, connected: bool
) -> None:
    async def tries(exchange: Exchange) -> Reply:
        if connected:
            exchange.record.connect_s = 0.0
        await asyncio.sleep(90)
        return reply(200)

    waits = Waits(ConnectTimeout("gone"), tries)
    begun = jumping.time()
    came = await settle(waits.handle(get()))
    if connected:
        assert isinstance(came, Reply)
        return
    assert isinstance(came, ConnectTimeout)
    assert came.detail == "gone; waited for wait_for_connect of 30 s"
    assert jumping.time() - begun == pytest.approx(30)
    assert (waits.waiting.timed_out, waits.waiting.waiting) == (1, False)


async def test_who_waits_for_something_else_by_then_goes_on(jumping: JumpingLoop) -> None:
    async def tries(exchange: Exchange) -> Reply:
        await asyncio.sleep(9)
        waits.servers.on_connect[0]()
        await asyncio.sleep(90)  # for a permit
        return reply(200)

    waits = Waits(ConnectFailed("gone"), tries)
    assert (await waits.handle(get())).status == 200


async def test_who_waits_for_a_quota_by_then_goes_on(jumping: JumpingLoop) -> None:
    """It is that of a server; another one could not be connected to."""

    async def tries(exchange: Exchange) -> Reply:
        with exchange.record.waiting(QUOTA, loop_clock()):
            await asyncio.sleep(45)
        return reply(200)

    waits = Waits(ConnectFailed("gone"), tries)
    assert (await waits.handle(get())).status == 200
    assert waits.waiting.timed_out == 0
