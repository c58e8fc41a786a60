"""Requests that are told apart by their bodies: QUERY, and POST where an operator lets it."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import ProtocolViolation, ReplyBroken
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from tests.support.caching import Answer, Caching, fresh, settled
from tests.support.loop import JumpingLoop, post, reply
from tests.support.pieces import Pieces, body, streaming

pytestmark = pytest.mark.usefixtures("nothing_left")

JSON = (b"Content-Type", b"application/json")
KEY, OTHER = (b"Authorization", b"Bearer a"), (b"Authorization", b"Bearer b")


def sent(content: bytes, *fields: tuple[bytes, bytes], method: str = "POST") -> Exchange:
    exchange = post("/", content, fields or (JSON,))
    exchange.method = method
    return exchange


async def asked(caching: Caching, content: bytes, *fields: Any, method: str = "POST") -> Answer:
    return await caching.ask(sent(content, *fields, method=method))


async def test_a_query_is_stored_by_its_body_and_its_kind() -> None:
    caching = Caching(*[fresh(60, b"%d" % number) for number in range(3)])
    text = (b"Content-Type", b"text/plain")
    for _ in range(2):
        assert (await asked(caching, b"a", method="QUERY")).body == b"0"
        assert (await asked(caching, b"b", method="QUERY")).body == b"1"
        assert (await asked(caching, b"a", text, method="QUERY")).body == b"2"
    assert caching.script.bodies == [b"a", b"b", b"a"]


async def test_a_query_is_no_get_of_the_same_target() -> None:
    caching = Caching(fresh(60, b"get"), fresh(60, b"query"))
    assert (await caching.ask()).body == b"get"
    assert (await asked(caching, b"", method="QUERY")).body == b"query"


async def test_an_unsafe_request_makes_queries_of_its_target_invalid() -> None:
    caching = Caching(fresh(60, b"old"), reply(204), fresh(60, b"new"))
    await asked(caching, b"a", method="QUERY")
    await asked(caching, b"x", method="PUT")
    assert (await asked(caching, b"a", method="QUERY")).body == b"new"


async def test_a_stale_query_is_refreshed_with_its_body() -> None:
    caching = Caching(fresh(5, b"old"), fresh(60, b"new"), stale_while_revalidate=60.0)
    await asked(caching, b"a", method="QUERY")
    await asyncio.sleep(6)
    assert (await asked(caching, b"a", method="QUERY")).body == b"old"
    await settled()
    assert (await asked(caching, b"a", method="QUERY")).body == b"new"
    assert caching.script.bodies == [b"a", b"a"]
    assert [each.method for each in caching.script.exchanges] == ["QUERY", "QUERY"]


@pytest.mark.parametrize("control", [None, b"no-cache"], ids=["stale", "no-cache"])
@pytest.mark.parametrize("if_error", [0.0, 60.0], ids=["", "stale-if-error"])
async def test_a_304_to_a_condition_in_a_query_goes_to_its_client(
    jumping: JumpingLoop, if_error: float, control: bytes | None
) -> None:
    tag = (b"ETag", b'"a"')
    caching = Caching(fresh(5, b"old"), reply(304, [tag]), stale_if_error=if_error)
    await asked(caching, b"a", method="QUERY")
    fields = [JSON, (b"If-None-Match", b'"a"')]
    if control is None:
        await asyncio.sleep(6)
    else:
        fields.append((b"Cache-Control", control))
    assert (await asked(caching, b"a", *fields, method="QUERY")).status == 304


async def test_a_304_to_a_query_without_a_condition_is_an_error(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(5, b"old"), reply(304))
    await asked(caching, b"a", method="QUERY")
    await asyncio.sleep(6)
    with pytest.raises(ProtocolViolation):
        await asked(caching, b"a", method="QUERY")


async def test_a_post_is_no_query_unless_an_operator_says_so() -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2"))
    assert (await asked(caching, b"{}")).cache == "fwd=method"
    assert (await asked(caching, b"{}")).body == b"2"


async def test_a_post_is_stored_by_what_its_json_means() -> None:
    caching = Caching(reply(200, [], b"1"), reply(200, [], b"2"), post=True, ttl=60.0)
    for content in (b'{"a": 1, "b": [2]}', b'{ "b":[2.0],"a":1e0 }'):
        assert (await asked(caching, content)).body == b"1"
    assert (await asked(caching, b'{"a": 2}')).body == b"2"
    assert caching.script.bodies == [b'{"a": 1, "b": [2]}', b'{"a": 2}']


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b"a=1", [(b"Content-Type", b"application/x-www-form-urlencoded")]),
        (b"{}", [JSON, (b"Content-Encoding", b"gzip")]),
        (b"x" * ((1 << 20) + 1), [JSON]),
    ],
    ids=range(3),
)
async def test_other_posts_are_no_queries(content: bytes, fields: Any) -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2"), post=True)
    for wanted in (b"1", b"2"):
        assert (await asked(caching, content, *fields)).body == wanted


@pytest.mark.parametrize("coding", [b"", b"identity", b"none"])
async def test_a_post_that_says_that_it_has_no_coding_is_a_query(coding: bytes) -> None:
    caching = Caching(fresh(60, b"1"), post=True)
    for content in (b'{"a": 1}', b'{"a":1}'):
        answer = await asked(caching, content, JSON, (b"Content-Encoding", coding))
        assert answer.body == b"1"


async def test_a_post_of_json_without_a_canonical_form_is_told_apart_by_its_bytes() -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2"), post=True)
    for _ in range(2):
        assert (await asked(caching, b'{"a":1,"a":2}')).body == b"1"
        assert (await asked(caching, b'{"a":2,"a":1}')).body == b"2"


async def test_what_is_stored_of_posts_is_for_the_same_credentials() -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2"), fresh(60, b"3"), post=True)
    for _ in range(2):
        assert (await asked(caching, b"{}", JSON, KEY)).body == b"1"
        assert (await asked(caching, b"{}", JSON, OTHER)).body == b"2"
        assert (await asked(caching, b"{}")).body == b"3"


async def test_only_a_200_of_a_post_is_stored() -> None:
    gone = reply(404, [(b"Cache-Control", b"max-age=60")])
    caching = Caching(gone, fresh(60, b"2"), post=True)
    assert (await asked(caching, b"{}")).cache.endswith("detail=status")
    assert (await asked(caching, b"{}")).body == b"2"


async def test_a_crowd_of_posts_asks_once() -> None:
    caching = Caching((3, fresh(60, b"1")), post=True)
    answers = await asyncio.gather(*(asked(caching, b"{}") for _ in range(50)))
    assert {each.body for each in answers} == {b"1"}
    assert caching.script.sends == 1


EVENTS = [(b"Content-Type", b"text/event-stream")]


def stream(*pieces: bytes, error: Exception | None = None) -> Reply:
    return streaming(Pieces(*pieces, error=error), EVENTS)


@pytest.mark.parametrize(("replay", "seconds"), [("fast", 0), ("paced", 3)])
async def test_a_stream_of_events_is_stored_whole_and_replayed(
    jumping: JumpingLoop, replay: str, seconds: float
) -> None:
    source = stream(b"data: a\n\n", b"data: b\n\n", b"data: c\n\n")
    caching = Caching(source, post=True, ttl=60.0, replay=replay)
    whole = b"data: a\n\ndata: b\n\ndata: c\n\n"
    assert (await asked(caching, b"{}")).body == whole
    began = jumping.time()
    came = await caching.cache.handle(sent(b"{}"))
    assert await body(came) == whole
    assert jumping.time() - began == pytest.approx(seconds)
    assert caching.script.sends == 1


async def test_a_stream_that_breaks_is_not_stored() -> None:
    broken = stream(b"data: a\n\n", error=ReplyBroken("cut"))
    caching = Caching(broken, stream(b"data: b\n\n"), post=True, ttl=60.0)
    with pytest.raises(ReplyBroken):
        await asked(caching, b"{}")
    assert (await asked(caching, b"{}")).body == b"data: b\n\n"


async def test_a_post_is_told_apart_by_what_its_body_is() -> None:
    caching = Caching(*[fresh(60, b"%d" % number) for number in range(3)], post=True)
    other = (b"Content-Type", b"application/vnd.api+json")
    language = (b"Content-Language", b"de")
    for _ in range(2):
        assert (await asked(caching, b"{}", JSON)).body == b"0"
        assert (await asked(caching, b"{ }", other)).body == b"1"
        assert (await asked(caching, b"{}", JSON, language)).body == b"2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Accept", b"text/event-stream"),
        (b"accept-encoding", b"br"),
        (b"Anthropic-Beta", b"x"),
        (b"OpenAI-Beta", b"x"),
        (b"Anthropic-Version", b"2023-06-01"),
    ],
)
async def test_a_post_is_told_apart_by_the_fields_that_choose_its_answer(
    name: bytes, value: bytes
) -> None:
    caching = Caching(*[fresh(60, b"%d" % number) for number in range(2)], post=True)
    for _ in range(2):
        assert (await asked(caching, b"{}", JSON, (name, value))).body == b"0"
        assert (await asked(caching, b"{}", JSON)).body == b"1"


async def test_a_post_is_the_same_from_another_version_of_a_client() -> None:
    caching = Caching(fresh(60, b"0"), fresh(60, b"1"), post=True)
    for version in (b"1.0", b"2.0"):
        field = (b"X-Stainless-Package-Version", version)
        assert (await asked(caching, b"{}", JSON, field)).body == b"0"
