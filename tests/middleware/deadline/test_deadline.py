"""The time that a client gives a request."""

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import ResponseTimeout
from proxy.middleware.deadline.deadline import Deadline, link
from proxy.middleware.deadline.options import DeadlineOptions
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply
from tests.support.proxy import parsed
from tests.support.scope import upstream_scope

MS = b"x-request-timeout-ms"


def bounded(script: Script, total: float = 0.0, **options: object) -> Deadline:
    return Deadline(script, DeadlineOptions(**options), total, clock=loop_clock())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "total", "ends", "what"),
    [
        ([(MS, b"3000")], 0, 3, "the client's deadline of 3 s"),
        ([(MS, b"3000"), (b"Grpc-Timeout", b"2S")], 0, 2, "the client's deadline of 2 s"),
        ([(MS, b"nonsense"), (b"grpc-timeout", b"4S")], 0, 4, "the client's deadline of 4 s"),
        ([(MS, b"3000")], 1, 1, "total of 1 s"),
        ([(MS, b"3000")], 9, 3, "the client's deadline of 3 s"),
        ([(MS, b"86400000")], 0, 600, "[deadline] max of 600 s"),
        ([(MS, b"86400000")], 700, 600, "[deadline] max of 600 s"),
        ([(MS, b"0")], 0, 0, "the client's deadline of 0 s"),
    ],
)
async def test_the_exchange_ends_when_its_client_would_go(
    jumping: JumpingLoop, fields: list[tuple[bytes, bytes]], total: float, ends: float, what: str
) -> None:
    exchange = get(headers=fields)
    with pytest.raises(ResponseTimeout) as caught:
        await bounded(Script((9_999, reply())), total).handle(exchange)
    assert jumping.time() == pytest.approx(exchange.started_at + ends, abs=0.01)
    assert exchange.deadline == exchange.started_at + ends
    assert caught.value.detail == f"no reply within {what}"
    clock = "total" if what.startswith("total") else "deadline"
    assert (caught.value.clock, exchange.record.bound[0]) == (clock, clock)


async def test_a_client_that_says_nothing_waits_as_ever(jumping: JumpingLoop) -> None:
    script = Script(reply())
    exchange = get(headers=((b"x-other", b"1"),))
    await Deadline(script, DeadlineOptions(), 5, clock=loop_clock()).handle(exchange)
    assert script.sends == 1
    assert exchange.deadline is None


async def test_no_longest_time_is_none(jumping: JumpingLoop) -> None:
    exchange = get(headers=[(MS, b"86400000")])
    await bounded(Script(reply()), max=Duration(0)).handle(exchange)
    assert exchange.deadline == exchange.started_at + 86_400


@pytest.mark.parametrize(("total", "ends"), [("5s", 5), ("0", 60)])
async def test_a_link_counts_the_total_of_its_route_in(
    jumping: JumpingLoop, total: str, ends: float
) -> None:
    config = parsed(
        f'[deadline]\n[timeouts]\ntotal = "{total}"\n'
        '[[upstreams]]\nname = "a"\nservers = ["http://a"]'
    )
    handler = link(upstream_scope(config), Script((9_999, reply())))
    assert handler is not None
    exchange = get(headers=[(MS, b"60000")])
    with pytest.raises(ResponseTimeout):
        await handler(exchange)
    assert exchange.deadline == exchange.started_at + ends
