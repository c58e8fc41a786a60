"""What answers when an upstream has failed for a request."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.core.errors import (
    BodyTooLarge,
    ConnectFailed,
    ConnectionTerminated,
    NoEndpointAvailable,
    ProxyError,
    ResponseTimeout,
    ServerAtLimit,
)
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import repeatable
from proxy.core.reply import Ending, Reply
from proxy.edge.responses import log_covered
from proxy.middleware.fallback import Fallback, Fixed, FixedReply, TakesOver
from proxy.middleware.per_try import AttemptClock, PerTry
from proxy.middleware.retry.may_repeat import MayFollow
from proxy.middleware.retry.options import RetryOptions
from proxy.policy.budget import Budget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, post, reply, settle

KEY = ((b"Idempotency-Key", b"1"),)


def fallback(*scripts: Handler, fixed: Fixed | None = None) -> Handler:
    """The first, and the others as fallbacks."""
    first, *others = scripts
    rules = partial(repeatable, rules=RetryOptions())
    return Fallback(first, others, fixed, rules, covered=log_covered).handle


@pytest.fixture
def page(tmp_path: Path) -> FixedReply:
    file = tmp_path / "sorry.html"
    file.write_bytes(b"<p>sorry")
    return FixedReply(file=str(file))


NOT_SENT: list[type[ProxyError]] = [ConnectFailed, NoEndpointAvailable, ServerAtLimit]
SENT: list[type[ProxyError]] = [ConnectionTerminated, ResponseTimeout]


@pytest.mark.parametrize("error", NOT_SENT + SENT)
@pytest.mark.parametrize(
    ("exchange", "repeats"),
    [
        (get, True),
        (partial(post, "/", b"x"), False),
        (partial(post, "/", b"x", KEY), True),
        (partial(get, method="PUT"), True),
    ],
)
async def test_another_takes_over_where_nothing_can_have_happened_twice(
    jumping: JumpingLoop, error: type[ProxyError], exchange: Any, repeats: bool
) -> None:
    failed, other = Script(error()), Script(reply(200))
    answer = await settle(fallback(failed, other)(exchange()))
    if repeats or error in NOT_SENT:
        assert isinstance(answer, Reply)
        assert answer.status == 200
    else:
        assert isinstance(answer, error)
        assert other.sends == 0


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_reply_that_says_so_is_a_failure_too(jumping: JumpingLoop, status: int) -> None:
    refused = reply(status, body=b"no")
    assert (await fallback(Script(refused), Script(reply(200)))(get())).status == 200
    assert refused.ending is Ending.COMPLETE
    kept = reply(status)
    assert await fallback(Script(kept), Script(reply(200)))(post("/", b"x")) is kept
    assert not kept.closed


@pytest.mark.parametrize("status", [200, 404, 429, 500])
async def test_any_other_reply_is_the_answer(jumping: JumpingLoop, status: int) -> None:
    other = Script(reply(200))
    assert (await fallback(Script(reply(status)), other)(get())).status == status
    assert other.sends == 0


async def test_the_request_goes_whole_to_each(jumping: JumpingLoop) -> None:
    scripts = Script(ConnectFailed()), Script(ConnectFailed()), Script(reply(200))
    await fallback(*scripts)(post("/", b"abc"))
    assert [script.bodies for script in scripts] == [[b"abc"]] * 3


async def test_a_body_that_is_gone_goes_nowhere_else(jumping: JumpingLoop) -> None:
    other = Script(reply(200))
    with pytest.raises(ConnectFailed):
        await fallback(Script(ConnectFailed()), other)(post("/", b"x", resendable=False))
    assert other.sends == 0


@pytest.mark.parametrize("last", [reply(503), ConnectFailed("last")])
async def test_when_all_fail_the_last_outcome_is_the_answer(
    jumping: JumpingLoop, last: Any
) -> None:
    assert await settle(fallback(Script(reply(502)), Script(last))(get())) is last


async def test_a_client_at_fault_asks_nobody_else(jumping: JumpingLoop, page: FixedReply) -> None:
    other = Script(reply(200))
    with pytest.raises(BodyTooLarge):
        await fallback(Script(BodyTooLarge()), other, fixed=Fixed(page))(get())
    assert other.sends == 0


@pytest.mark.parametrize(
    ("fault", "token"),
    [
        (ConnectFailed(), "connection_refused"),
        (ConnectionTerminated(), "connection_terminated"),
        (ServerAtLimit(), "connection_limit_reached"),
        (reply(503), "destination_unavailable"),
    ],
)
@pytest.mark.parametrize("exchange", [get, partial(post, "/", b"x")])
async def test_a_fixed_reply_stands_in_for_any_failure(
    jumping: JumpingLoop, page: FixedReply, fault: Any, token: str, exchange: Any
) -> None:
    asked = exchange()
    answer = await fallback(Script(fault), fixed=Fixed(page))(asked)
    assert (answer.status, answer.reason, answer.length) == (503, b"Service Unavailable", 8)
    assert (b"Content-Type", b"text/html") in answer.headers
    assert (b"Proxy-Status", f"sidecar-proxy; error={token}".encode()) in answer.headers
    assert answer.buffered == b"<p>sorry"
    assert asked.error == token
    covered = asked.record.covered
    assert covered is fault or (isinstance(covered, Reply) and covered.status == fault.status)
    assert not isinstance(fault, Reply) or fault.closed


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (ConnectFailed("no connection to http://a: refused"), "no connection to http://a: refused"),
        (reply(503), "http://a answered 503"),
    ],
)
async def test_a_fixed_reply_leaves_the_reason_in_the_log(
    jumping: JumpingLoop,
    page: FixedReply,
    fault: Any,
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = get()
    asked.route, asked.record.endpoint = "/v1", "http://a"
    with caplog.at_level("INFO"):
        await fallback(Script(fault), fixed=Fixed(page))(asked)
    assert caplog.messages == [f"{told} on route /v1"]
    assert vars(caplog.records[0])["error"] == asked.error


@pytest.mark.parametrize(
    ("fault", "told"),
    [(ConnectFailed("refused"), "refused"), (reply(503), "http://a answered 503")],
)
async def test_the_log_says_why_another_upstream_took_over(
    jumping: JumpingLoop, fault: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked = get()
    asked.route, asked.record.endpoint = "/v1", "http://a"
    with caplog.at_level("INFO"):
        await fallback(Script(fault), Script(reply(200)))(asked)
    assert caplog.messages == [f"{told} on route /v1"]
    assert asked.error == ""


async def test_of_a_reply_that_is_passed_on_there_is_nothing_to_say(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        await fallback(Script(reply(503)), Script(reply(200)))(post("/", b"x"))
        await fallback(Script(reply(200)), Script(reply(503)))(get())
    assert caplog.messages == []


async def test_a_timeout_under_a_fixed_reply_is_counted_by_its_clock(
    jumping: JumpingLoop, page: FixedReply
) -> None:
    asked = get()
    fault = ResponseTimeout("no reply", clock="first_byte")
    await fallback(Script(fault), fixed=Fixed(page))(asked)
    assert (asked.error, asked.record.clock) == ("http_response_timeout", "first_byte")


@pytest.mark.parametrize(("status", "reason"), [(200, b"OK"), (520, b""), (299, b"")])
async def test_a_fixed_reply_has_any_status(
    jumping: JumpingLoop, page: FixedReply, status: int, reason: bytes
) -> None:
    fixed = Fixed(FixedReply(status=status, file=page.file))
    answer = await fallback(Script(ConnectFailed()), fixed=fixed)(get())
    assert (answer.status, answer.reason) == (status, reason)


async def test_a_fixed_reply_answers_more_than_once(jumping: JumpingLoop, page: FixedReply) -> None:
    handle = fallback(Script(ConnectFailed(), ConnectFailed()), fixed=Fixed(page))
    for _ in range(2):
        answer = await handle(get())
        assert await answer.read() == b"<p>sorry"
        assert await answer.read() == b""


def test_a_file_that_is_gone_is_found_out_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        Fixed(FixedReply(file=str(tmp_path / "gone.json")))


@pytest.mark.parametrize(
    ("exchange", "connected", "ends"),
    [
        (get(), True, True),
        (post("/", b"x"), True, False),
        (post("/", b"x"), False, True),
        (post("/", b"x", KEY), True, True),
        (post(resendable=False), False, False),
    ],
)
async def test_an_attempt_is_ended_for_another_upstream_that_would_take_over(
    jumping: JumpingLoop, exchange: Exchange, connected: bool, ends: bool
) -> None:
    """As ``[timeouts] per_try`` does; it ends none that ``Fallback`` would not go on with."""
    exchange.record.connect_s = 0.0 if connected else None
    rules, never_left = partial(repeatable, rules=RetryOptions()), [[lambda _: False], []]
    assert TakesOver(rules, [[], *never_left], 0)(exchange) is ends
    assert not TakesOver(rules, [[], *never_left[:1]], 0)(exchange), "it has no server"
    assert not TakesOver(rules, [[], *never_left], 2)(exchange), "it is the last one"
    clock, budget = loop_clock(), Budget(0, 0, 10)
    bound = AttemptClock(
        5,
        MayFollow(RetryOptions(attempts=1), budget, clock),
        takes_over=TakesOver(rules, [[], []], 0),
        budget=budget,
        clock=clock,
    )
    other = Script(reply(201))
    came = await fallback(PerTry(Script((9, reply(200))), bound).handle, other)(exchange)
    assert (came.status, other.sends) == ((201, 1) if ends else (200, 0))


async def test_an_attempt_is_ended_as_soon_as_another_upstream_has_a_server(
    jumping: JumpingLoop,
) -> None:
    """All of them were ejected when the time of the attempt was over."""
    clock, budget = loop_clock(), Budget(0, 0, 10)
    rules, exchange = partial(repeatable, rules=RetryOptions()), get()
    bound = AttemptClock(
        5,
        MayFollow(RetryOptions(attempts=1), budget, clock),
        takes_over=TakesOver(rules, [[], [lambda _: jumping.time() >= began + 8]], 0),
        budget=budget,
        clock=clock,
    )
    began = jumping.time()
    exchange.record.connect_s = 0.0
    other = Script(reply(201))
    came = await fallback(PerTry(Script((60, reply(200))), bound).handle, other)(exchange)
    assert (came.status, jumping.time() - began) == (201, 8)
