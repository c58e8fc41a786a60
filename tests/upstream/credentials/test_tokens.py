"""Access tokens that are renewed before they expire, on a clock that jumps."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.core.errors import CredentialsUnavailable
from proxy.core.redaction import conceal
from proxy.policy.keys import Key
from proxy.upstream.credentials.token_server import NoToken, Token
from proxy.upstream.credentials.tokens import Tokens
from tests.support.loop import JumpingLoop, loop_clock, settle


class Server:
    """Gives tokens that are numbered; an answer is a lifetime, an error, or takes its time."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.times: list[float] = []
        self.takes = 0.0

    async def ask(self) -> Token:
        number = len(self.times)
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        odd = answer == "odd"
        return Token(b"token-number-%d" % number, math.inf if odd else answer, odd)


@asynccontextmanager
async def tokens(ask: Callable[[], Awaitable[Token]]) -> AsyncIterator[Tokens]:
    made = Tokens(Key("main"), b"Authorization", ask, "api", loop_clock())
    made.open()
    try:
        yield made
    finally:
        await made.close()


async def shown(made: Tokens, patience: float = 10.0) -> bytes:
    field = await made.ready(asyncio.get_running_loop().time() + patience)
    assert field[0] == b"Authorization"
    return field[1].removeprefix(b"Bearer token-number-")


async def test_a_crowd_waits_for_one_request(jumping: JumpingLoop) -> None:
    server = Server(3600.0)
    server.takes = 2.0
    async with tokens(server.ask) as made:
        assert await asyncio.gather(*(shown(made) for _ in range(100))) == [b"0"] * 100
    assert len(server.times) == 1


@pytest.mark.parametrize(
    ("life", "renewed_after"), [(3600.0, 3540.0), (100.0, 75.0), (2.0, 1.5), (0.5, 1.0)]
)
async def test_a_token_is_renewed_ahead_of_its_end_though_nobody_asks(
    jumping: JumpingLoop, life: float, renewed_after: float
) -> None:
    server = Server(life)
    async with tokens(server.ask):
        await asyncio.sleep(renewed_after + 0.01)
    assert [time - server.times[0] for time in server.times] == [0.0, renewed_after]


async def test_requests_meet_no_wait_while_a_token_is_renewed(jumping: JumpingLoop) -> None:
    server = Server(100.0)
    async with tokens(server.ask) as made:
        assert await shown(made) == b"0"
        server.takes = 8.0
        await asyncio.sleep(76)
        before = jumping.time()
        assert await shown(made) == b"0"
        assert jumping.time() == before
        await asyncio.sleep(9)
        assert await shown(made) == b"1"


async def test_a_token_without_a_life_stays_until_it_is_refused(jumping: JumpingLoop) -> None:
    server = Server(math.inf)
    async with tokens(server.ask) as made:
        assert await shown(made) == b"0"
        await asyncio.sleep(1e6)
        assert len(server.times) == 1
        old = await made.ready(jumping.time())
        answers = await asyncio.gather(*(made.refused(old, jumping.time() + 10) for _ in range(50)))
        assert answers == [True] * 50
        assert await shown(made) == b"1"
        assert len(server.times) == 2


async def test_a_token_that_is_refused_at_once_is_not_renewed(jumping: JumpingLoop) -> None:
    """Each 401 of an API that takes none of them would cost the token server a request."""
    server = Server(3600.0)
    async with tokens(server.ask) as made:
        await shown(made)
        field = await made.ready(jumping.time())
        for _ in range(10):
            assert not await made.refused(field, jumping.time() + 10)
        assert len(server.times) == 1


async def test_a_failure_is_said_once_and_tried_again_ever_less_often(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(*[NoToken("status 500")] * 8, 3600.0)
    async with tokens(server.ask) as made:
        await asyncio.sleep(200)
        gaps = [
            after - before for before, after in zip(server.times, server.times[1:], strict=False)
        ]
        assert gaps == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
        assert await shown(made) == b"8"
        assert (made.failures, made.renewals, made.failure) == (8, 1, "")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "no token for api (main): status 500"
    ]


async def test_between_two_tries_requests_are_refused_at_once(jumping: JumpingLoop) -> None:
    server = Server(NoToken("status 401, invalid_client"))
    async with tokens(server.ask) as made:
        await asyncio.sleep(8)  # tries at 0, 1, 3 and 7
        asked = len(server.times)
        for _ in range(100):
            came = await settle(made.ready(jumping.time() + 10))
            assert isinstance(came, CredentialsUnavailable)
            assert came.retry_after == 7.0
            assert came.detail == "no token for api (main): status 401, invalid_client"
        assert len(server.times) == asked == 4


async def test_the_token_before_is_used_until_it_expires(jumping: JumpingLoop) -> None:
    server = Server(100.0, NoToken("down"))
    async with tokens(server.ask) as made:
        await shown(made)
        await asyncio.sleep(94)
        assert await shown(made) == b"0"
        await asyncio.sleep(2)  # five seconds before its end
        with pytest.raises(CredentialsUnavailable):
            await shown(made)


async def test_a_request_waits_no_longer_than_it_may(jumping: JumpingLoop) -> None:
    server = Server(3600.0)
    server.takes = 60.0
    async with tokens(server.ask) as made:
        before = jumping.time()
        with pytest.raises(CredentialsUnavailable, match="has not answered yet"):
            await shown(made, 3.0)
        assert jumping.time() - before == 3.0
        await asyncio.sleep(60)  # whoever leaves does not end it
        assert await shown(made) == b"0"


async def test_a_fault_of_ours_ends_nothing(jumping: JumpingLoop) -> None:
    server = Server(ZeroDivisionError("oh"), 3600.0)
    async with tokens(server.ask) as made:
        await asyncio.sleep(2)
        assert await shown(made) == b"1"


async def test_nothing_is_asked_after_the_end(jumping: JumpingLoop) -> None:
    server = Server(5.0)
    server.takes = 1.0
    async with tokens(server.ask):
        pass
    await asyncio.sleep(100)
    assert len(server.times) <= 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_token_is_shown_in_no_text(jumping: JumpingLoop) -> None:
    server = Server(3600.0)
    async with tokens(server.ask) as made:
        await shown(made)
        assert conceal("the field was token-number-0, oh") == "the field was ***, oh"


async def test_a_second_opening_asks_for_nothing(jumping: JumpingLoop) -> None:
    """A configuration that is read again opens what it keeps."""
    server = Server(3600.0)
    async with tokens(server.ask) as made:
        made.open()
        await shown(made)
        made.open()
        await asyncio.sleep(10)
    assert len(server.times) == 1


async def test_a_token_with_an_odd_life_is_used_until_a_401_and_that_is_said_once(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server("odd")
    async with tokens(server.ask) as made:
        assert await shown(made) == b"0"
        await asyncio.sleep(100_000)
        assert await shown(made) == b"0"
        field = (b"Authorization", b"Bearer token-number-0")
        assert await made.refused(field, loop_clock()() + 10)
        assert await shown(made) == b"1"
        assert made.failures == 0
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "expires_in of a token for api (main) is no number of seconds above 0: "
        "it is used until a reply with 401"
    )
