"""What a request is found by, and what is said of one that is not found."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.recording import Question
from proxy.http.fields import Fields
from proxy.middleware.recording.asking import hidden_again, not_found, question_of
from proxy.middleware.recording.scrubbing import Scrubber
from tests.support.loop import get, post

JSON: Fields = [(b"Content-Type", b"application/json")]
ITEMS = Question("GET", b"/v1/items?page=1&size=9", [], b"")
CHAT = Question("POST", b"/v1/chat", JSON, b'{"model": "m", "messages": [{"text": "hello"}]}')
FORM = Question("POST", b"/form", [], b"a=1&b=2")
TEXT: Fields = [(b"Content-Type", b"text/plain")]
TRUE = Question("POST", b"/true", JSON, b"[true]")
PARTS = Question(
    "POST", b"/parts", [(b"Content-Type", b"multipart/form-data; boundary=x")], b"--x\r\n\r\na--x--"
)
KNOWN = [ITEMS, CHAT, FORM, TRUE, PARTS]


def test_any_other_secret_may_be_sent_in_its_place() -> None:
    def key(secret: bytes) -> str:
        fields = [*JSON, (b"Authorization", b"Bearer " + secret)]
        body = b'{"password": "%b", "again": "%b"}' % (secret, secret)
        asked = post(f"/a?api_key={secret.decode()}", body, fields)
        return question_of(asked, body, Scrubber()).key

    assert key(b"sk-real-and-long-one") == key(b"not-real")
    assert question_of(get("/a"), b"", Scrubber()).key != key(b"not-real")


def test_a_secret_that_other_places_write_otherwise_may_be_another_one_too() -> None:
    def key(secret: str, body: bytes) -> str:
        fields = [*JSON, (b"Authorization", b"Bearer " + secret.encode())]
        asked = post(f"/a?x={quote(secret, safe='')}", body, fields)
        return question_of(asked, body, Scrubber()).key

    first = key("a/b+c==", b'{"client_secret": 18181818, "url": "/x?sig=abc", "b": "a\\/b+c=="}')
    second = key("d/e+f==", b'{"client_secret": ["x"], "url": "/x?sig=def", "b": "d/e+f=="}')
    assert first == second


NAMES = st.sampled_from(["password", "api_key", "client-secret", "user", "url", "key", "text"])
TEXTS = st.sampled_from(
    [
        "",
        'a"b\\c',
        "\u00e9\n",
        "sk-0123456789abcdef",
        "http://h/p?api_key=sk-0123456789abcdef&x=1",
        "/a?token=%2F&b=1#code=f",
        "/a?token=hunter22;b=?",
        '{"password": "in\\"ner1", "z": [1, 2]}',
    ]
) | st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
KINDS = st.sampled_from(
    [
        b"application/json",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=b",
    ]
)
PART = b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n%b\r\n--b--'
QUERIES = st.lists(st.tuples(NAMES, TEXTS, st.booleans()), max_size=3)


@given(QUERIES, st.dictionaries(NAMES, VALUES, max_size=3), KINDS, TEXTS)
def test_what_is_hidden_stays_as_it_is_when_it_is_hidden_again(
    query: list[tuple[str, str, bool]], value: dict[str, object], kind: bytes, more: str
) -> None:
    parts = [
        f"{name}={quote(text, safe='' if all_of_it else '/?:')}" for name, text, all_of_it in query
    ]
    asked = "&".join(parts)
    text = json.dumps(value)
    bodies = [text, json.dumps({"outer": text, "a": 1}), text[: len(text) // 2], asked, more]
    fields = [(b"Content-Type", kind), (b"Referer", f"http://a/b?{asked}".encode())]
    for body in (*map(str.encode, bodies), PART % more.encode()):
        question = question_of(post(f"/a?{asked}", body, fields), body, Scrubber(["key"]))
        assert hidden_again(question, ("key",)) == question


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (
            Question("GET", b"/v1/items?page=2&size=9", [], b""),
            "GET /v1/items?page=2&size=9 is not in the recording; the nearest there is "
            "GET /v1/items?page=1&size=9 (the query has page=2, which was not recorded; "
            "the query lacks page=1)",
        ),
        (
            Question("GET", b"/v1/items?size=9&page=1", [], b""),
            " (the parameters of the query stand in another order",
        ),
        (
            Question("DELETE", b"/v1/items?page=1&size=9", [], b""),
            " (the method is DELETE, not GET",
        ),
        (Question("POST", b"/form?", [], b"a=1&b=2"), ' (only one of them has a "?")'),
        (Question("GET", b"/v1/itms?page=1&size=9", [], b""), " (the path is /v1/itms, not "),
        (
            Question("POST", b"/v1/chat", JSON, b'{"messages": [{"text": "bye"}], "model": "m"}'),
            '$.messages[0].text: "bye", not "hello"',
        ),
        (
            Question("POST", b"/v1/chat", JSON, b'{"messages": [], "model": "m"}'),
            'the body differs at $.messages[0]: absent, not {"text": "hello"}',
        ),
        (Question("POST", b"/v1/chat", JSON, b'{"x": 1}'), "$.model: absent, not "),
        (
            Question("POST", b"/v1/chat", TEXT, CHAT.body),
            '(the body is the same JSON, but its Content-Type is "text/plain", not "application/',
        ),
        (
            Question("POST", b"/v1/chat", [], CHAT.body),
            'JSON, but its Content-Type is absent, not "application/json")',
        ),
        (
            Question("POST", b"/v1/chat", [*JSON, (b"Content-Encoding", b"br")], CHAT.body),
            'JSON, but its Content-Encoding is "br", not absent)',
        ),
        (
            Question("POST", b"/v1/chat", JSON, b'{"model": "x", ' + CHAT.body[1:]),
            "JSON, but not all programs read it as the same, so it counts byte for byte)",
        ),
        (Question("POST", b"/true", JSON, b"[1]"), "differs at $[0]: 1, not true)"),
        (
            Question("POST", b"/parts", [(b"Content-Type", b"text/plain")], PARTS.body),
            "(the body is the same, but its Content-Type is ",
        ),
        (Question("POST", b"/v1/chit", JSON, CHAT.body), " (the path is /v1/chit, not /v1/chat)"),
        (Question("POST", b"/v1/chat", [], b""), " (it has no body"),
        (Question("POST", b"/form", [], b"a=1&b=3"), "the body differs from its byte 6 on"),
        (Question("POST", b"/form", [], b"a=1&b=22"), "the body differs from its byte 7 on"),
        (Question("GET", b"/v1/items?page=1&size=9", [], b"x"), " (it has a body"),
    ],
)
def test_a_request_that_was_not_recorded_is_told_from_the_nearest(
    question: Question, said: str
) -> None:
    assert said in not_found(question, KNOWN)


def test_of_several_bodies_the_path_alone_decides_which_is_near() -> None:
    other = Question("POST", b"/v1/chat", JSON, b'{"model": "other"}')
    assert "/v1/chat" in not_found(other, KNOWN)


def test_an_empty_recording_is_near_to_nothing() -> None:
    assert not_found(ITEMS, []).endswith("is not in the recording, which is empty")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (TEXT, "no Content-Type says JSON, so it counts byte for byte"),
        ([], "no Content-Type says JSON, so it counts byte for byte"),
        ([*JSON, (b"Content-Encoding", b"br")], "it has a Content-Encoding, so it counts byte"),
        ([*TEXT, (b"Content-Encoding", b"none")], "no Content-Type says JSON, so it counts byte"),
    ],
)
def test_equal_json_that_counts_byte_for_byte_is_told_why(fields: Fields, why: str) -> None:
    asked, recorded = (Question("POST", b"/", fields, body) for body in (b'{"a":1}', b'{"a": 1}'))
    assert f"(the body is the same JSON, but {why}" in not_found(asked, [recorded])
