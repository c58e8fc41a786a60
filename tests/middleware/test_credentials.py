"""The proxy's own credentials in place of the client's, and what follows a refusal."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.core.body import Body
from proxy.core.credentials import Field
from proxy.core.errors import CredentialsUnavailable, ProtocolViolation, UpstreamQuotaExceeded
from proxy.core.exchange import Exchange
from proxy.core.record import QUOTA, Wait
from proxy.core.reply import Ending, Reply
from proxy.middleware import upstream_quota
from proxy.middleware.credentials import OwnCredentials, link
from proxy.middleware.quota_wait import QuotaWait
from proxy.policy.keys import Key, Keys
from tests.support.endpoint import StateOnly
from tests.support.loop import JumpingLoop, Script, get, loop_clock, post, reply, settle


class Held:
    """Credentials as the middleware sees them; ``renewed`` is what a refused key has then."""

    def __init__(self, *names: str, header: bytes = b"X-Key") -> None:
        self.keys = tuple(Key(name, (header, name.encode())) for name in names)
        self.choice = Keys(self.keys)
        self.names = frozenset({header.lower()})
        self.renewed: dict[str, list[bytes]] = {}
        self.absent: set[str] = set()
        self.looks: list[str] = []

    async def ready(self, key: Key, until: float) -> Field:
        if key.name in self.absent:
            raise CredentialsUnavailable(f"no token for {key.name}", retry_after=3.0)
        assert key.field is not None
        return key.field

    async def refused(self, key: Key, shown: Field, until: float) -> bool:
        self.looks.append(key.name)
        if self.renewed.get(key.name):
            key.renew((shown[0], self.renewed[key.name].pop(0)))
        return key.field != shown


def kept(_: Body) -> None:
    """The bodies of these tests are kept anyway."""


def shows(held: Held, *came: Any, keep: Callable[[Body], None] = kept, **options: Any) -> Any:
    script = Script(*came)
    sent: list[bytes | None] = []

    async def inner(exchange: Exchange) -> Reply:
        sent.append(dict(exchange.headers).get(b"X-Key"))
        return await script(exchange)

    own: Any = OwnCredentials(inner, held, "api", keep, clock=loop_clock(), **options)
    if max_wait := options.get("max_wait"):
        own = QuotaWait(own.handle, max_wait, "api", clock=loop_clock())
    return own, sent


def refusals(*statuses: int) -> list[Any]:
    return [reply(status, [(b"Retry-After", b"9")] if status == 429 else ()) for status in statuses]


async def test_they_stand_in_place_of_the_clients_and_go_no_further(jumping: JumpingLoop) -> None:
    seen = []

    async def inner(exchange: Exchange) -> Reply:
        seen.append(list(exchange.headers))
        return reply()

    own = OwnCredentials(inner, Held("ours"), "api", kept, clock=loop_clock())
    theirs = ((b"x-KEY", b"theirs"), (b"A", b"b"))
    exchange = get(headers=theirs)
    await own.handle(exchange)
    assert seen == [[(b"A", b"b"), (b"X-Key", b"ours")]]
    assert exchange.headers is theirs  # another upstream is not told


async def test_a_failure_leaves_the_clients_fields_too(jumping: JumpingLoop) -> None:
    own, _ = shows(Held("a", "b"), ProtocolViolation)
    exchange = get(headers=((b"A", b"b"),))
    assert isinstance(await settle(own.handle(exchange)), ProtocolViolation)
    assert exchange.headers == ((b"A", b"b"),)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_429_goes_to_the_next_key_in_the_same_request(
    jumping: JumpingLoop, method: str
) -> None:
    held = Held("a", "b", "c")
    came = [*refusals(429, 429), reply(200)]
    own, sent = shows(held, *came)
    exchange = post(body=b"hello") if method == "POST" else get()
    assert (await own.handle(exchange)).status == 200
    assert sent == [b"a", b"b", b"c"]
    assert [each.ending for each in came] == [Ending.COMPLETE, Ending.COMPLETE, None]
    assert [attempt.outcome for attempt in exchange.record.attempt_log] == ["429", "429"]
    assert exchange.record.attempt_began_at == loop_clock()()  # the third key's
    assert [key.exceeded for key in held.keys] == [1, 1, 0]


async def test_no_more_is_sent_than_there_are_keys(jumping: JumpingLoop) -> None:
    own, sent = shows(Held("a", "b"), *refusals(429, 429, 429))
    assert (await own.handle(get())).status == 429
    assert sent == [b"a", b"b"]
    assert (await own.handle(get())).status == 429  # none is free: one is asked, and only one
    assert len(sent) == 3


async def test_a_body_that_is_gone_is_not_sent_again(jumping: JumpingLoop) -> None:
    own, sent = shows(Held("a", "b"), *refusals(429))
    assert (await own.handle(post(body=b"hello", resendable=False))).status == 429
    assert sent == [b"a"]


async def test_bodies_are_kept_where_there_is_another_key(jumping: JumpingLoop) -> None:
    asked: list[Body] = []
    for number, held in enumerate((Held("a"), Held("a", "b"))):
        own, _ = shows(held, reply(), keep=asked.append)
        await own.handle(post(body=b"hello"))
        assert len(asked) == number


@pytest.mark.parametrize(
    ("status", "fields", "sends"),
    [
        (403, [(b"Retry-After", b"5")], 2),
        (403, [], 1),
        (404, [], 1),
        (503, [(b"Retry-After", b"5")], 1),
    ],
)
async def test_what_is_no_refusal_of_a_key_is_the_answer(
    jumping: JumpingLoop, status: int, fields: Any, sends: int
) -> None:
    own, sent = shows(Held("a", "b"), reply(status, fields), reply(200))
    await own.handle(get())
    assert len(sent) == sends


async def test_a_401_takes_one_key_out_for_a_minute(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held("first-key", "second-key")
    own, sent = shows(held, *refusals(401), *[reply() for _ in range(5)])
    assert (await own.handle(get())).status == 200
    for _ in range(2):
        await own.handle(get())
    assert sent == [b"first-key", b"second-key", b"second-key", b"second-key"]
    assert held.looks == ["first-key"]
    assert [record.getMessage() for record in caplog.records] == [
        "api does not accept the credentials 'first-key' (401): not used for 60 s"
    ]
    await asyncio.sleep(61)
    for _ in range(2):
        await own.handle(get())
    assert sent[4:] == [b"first-key", b"second-key"]


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
async def test_a_401_is_asked_again_where_the_key_has_another_value_by_now(
    jumping: JumpingLoop, names: tuple[str, ...]
) -> None:
    held = Held(*names)
    held.renewed["a"] = [b"new"]
    own, sent = shows(held, *refusals(401), reply())
    assert (await own.handle(post(body=b"x"))).status == 200
    assert sent == [b"a", b"new"]


async def test_another_value_is_tried_once_only(jumping: JumpingLoop) -> None:
    held = Held("a")
    held.renewed["a"] = [b"new", b"newer"]
    own, sent = shows(held, *refusals(401, 401))
    assert (await own.handle(get())).status == 401
    assert sent == [b"a", b"new"]


async def test_where_all_are_refused_the_answer_is_the_upstreams(jumping: JumpingLoop) -> None:
    own, sent = shows(Held("a", "b"), *refusals(401, 401, 401))
    assert (await own.handle(get())).status == 401
    assert (await own.handle(get())).status == 401
    assert sent == [b"a", b"b", b"a"]


async def test_the_key_with_most_left_is_shown(jumping: JumpingLoop) -> None:
    def left(number: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=60' % number)])

    own, sent = shows(Held("a", "b"), left(2), left(50), left(49), left(48))
    for _ in range(4):
        await own.handle(get())
    assert sent == [b"a", b"b", b"b", b"b"]


async def test_where_somebody_asked_for_that_a_request_waits_for_a_key(
    jumping: JumpingLoop,
) -> None:
    own, sent = shows(Held("a", "b"), *refusals(429, 429), reply(), max_wait=20.0)
    await own.handle(get())
    exchange = get()
    assert (await own.handle(exchange)).status == 200
    assert exchange.record.queue_s == 9.0
    assert exchange.record.longest_wait == Wait(QUOTA, exchange.started_at, "api", "", 9.0)
    assert len(sent) == 3


async def test_a_wait_that_is_too_long_is_refused_at_once(jumping: JumpingLoop) -> None:
    own, sent = shows(Held("a", "b"), *refusals(429, 429), max_wait=5.0)
    await own.handle(get())
    came = await settle(own.handle(get()))
    assert isinstance(came, UpstreamQuotaExceeded)
    assert (came.retry_after, len(sent)) == (9.0, 2)


async def test_a_key_without_a_token_gives_way_and_the_last_one_says_why(
    jumping: JumpingLoop,
) -> None:
    held = Held("a", "b")
    held.absent = {"a"}
    own, sent = shows(held, reply())
    assert (await own.handle(get())).status == 200
    assert sent == [b"b"]
    held.absent = {"a", "b"}
    came = await settle(own.handle(get()))
    assert isinstance(came, CredentialsUnavailable)
    assert came.retry_after == 3.0


async def test_a_client_that_leaves_during_a_look_leaves_no_reply_open(
    jumping: JumpingLoop,
) -> None:
    held = Held("a")
    looking = asyncio.Event()

    async def refused(*_: object) -> bool:
        looking.set()
        await asyncio.sleep(1e6)
        return False

    held.refused = refused  # type: ignore[assignment]
    came = reply(401)
    own, _ = shows(held, came)
    task = asyncio.create_task(own.handle(get()))
    await looking.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert came.ending is Ending.ABANDONED


@pytest.mark.parametrize("status", [401, 429])
async def test_half_a_login_is_not_sent_again(jumping: JumpingLoop, status: int) -> None:
    """The next connection would know nothing of it."""
    own, sent = shows(Held("a", "b"), *refusals(status))
    exchange = get()
    exchange.login = True
    assert (await own.handle(exchange)).status == status
    assert len(sent) == 1


async def test_nobody_waits_for_a_key_beyond_its_deadline(jumping: JumpingLoop) -> None:
    own, sent = shows(Held("a", "b"), *refusals(429, 429), max_wait=20.0)
    await own.handle(get())
    exchange = get()
    exchange.deadline = jumping.time() + 8.0
    assert isinstance(await settle(own.handle(exchange)), UpstreamQuotaExceeded)
    assert len(sent) == 2


@pytest.mark.parametrize(("names", "links"), [((), 0), (("a",), 1), (("a", "b"), 1)])
async def test_with_several_keys_their_quotas_are_known_here_alone(
    jumping: JumpingLoop, names: tuple[str, ...], links: int
) -> None:
    options = SimpleNamespace(max_wait=1.0, learn=True)
    scope: Any = SimpleNamespace(
        credentials=Held(*names),
        find=lambda _: options,
        shared=SimpleNamespace(clock=loop_clock()),
        upstream="api",
        keep=kept,
        endpoint=StateOnly(),
        own_credentials=b"x-key",
    )
    inner = Script().__call__
    assert bool(link(scope, inner)) == bool(links)
    handle = upstream_quota.link(scope, inner)
    assert handle is not None
    assert handle.__self__.counts_quotas == (len(names) < 2)  # type: ignore[attr-defined]
