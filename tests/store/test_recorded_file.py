"""The text of a recorded answer, and what people may write there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from proxy.core.recording import Answer, Question
from proxy.http.fields import Fields
from proxy.store.recorded_file import (
    answer_of,
    ending,
    name_of,
    order,
    question_of,
    table_of,
    text_of,
)

ANSWER = Answer(200, b"OK", [(b"X-A", b"\xe9")], b"ab", [(0.0, 2)], [], 0.5, 2)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({}, "status: None is no status of a reply"),
        ({"status": 100}, "status: 100 is no status"),
        ({"status": "200"}, "status: '200' is no status"),
        ({"fields": ["a"]}, "fields: a list of"),
        ({"fields": 1}, "fields: a list of"),
        ({"fields": [["a b", "c"]]}, "fields: 'a b' is no field"),
        ({"fields": [["a", "b\r\nc: d"]]}, "fields: 'a' is no field"),
        ({"fields": [["Content-Length", "1"]]}, "Content-Length follows from the body"),
        ({"trailers": [["Transfer-Encoding", "x"]]}, "Transfer-Encoding follows from the body"),
        ({"reason": "a\r\nb"}, "reason: 'a\\r\\nb' has a control character"),
        ({"pieces": [1]}, "pieces: a list of"),
        ({"pieces": [["x", 1]]}, "pieces: 'x' is no number"),
        ({"pieces": [[0, -1]]}, "bytes: -1 is no number"),
        ({"wait": "long"}, "wait: 'long' is no number"),
        ({"wait": float("nan")}, "wait: nan is no number"),
        ({"length": True}, "length: True is no number"),
    ],
)
def test_a_reply_that_is_wrong_says_why(reply: dict[str, Any], reason: str) -> None:
    table = {"status": 200, **reply} if reply else {}
    with pytest.raises(ValueError, match=re.escape(reason)):
        answer_of(table, b"body")


def test_a_request_is_written_a_byte_a_letter() -> None:
    with pytest.raises(ValueError, match="write each byte beyond ASCII as"):
        question_of({"target": "/\u20ac"}, b"")
    assert question_of({"target": "/\u00e9"}, b"").target == b"/\xe9"
    assert question_of({}, b"") == Question("GET", b"/", [], b"")


def test_a_file_has_what_it_was_made_of() -> None:
    asked = Question("GET", b"/\x7f\xe9", [(b"X", b"'\"\\")], b"")
    tables = tomllib.loads(text_of(asked, ANSWER, {}))
    assert question_of(table_of(tables, "request"), b"") == asked
    assert answer_of(table_of(tables, "reply"), b"ab") == ANSWER


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", b"/", "GET"),
        ("GET", b"/v1/items?a=1", "GET-v1-items"),
        ("GET", b"/../../etc/passwd", "GET-etc-passwd"),
        ("GET", b"/%2e%2e/\xff/a b.json", "GET-2e-2e-a-b.json"),
        ("GET", b"/" + b"a" * 99, "GET-" + "a" * 56),
        ("*/..", b"*", ""),
    ],
)
def test_names_tell_what_was_asked_and_lead_nowhere_else(
    method: str, target: bytes, name: str
) -> None:
    question = Question(method, target, [], b"")
    assert name_of(question) == f"{name}-{question.key[:8]}"


def test_the_tenth_comes_behind_the_ninth() -> None:
    names = ["a-10.toml", "a-9.toml", "b-1.toml", "a.toml"]
    assert sorted(map(Path, names), key=order) == [
        *map(Path, ("a.toml", "b-1.toml", "a-9.toml", "a-10.toml"))
    ]


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ([], "bin"),
        ([(b"content-type", b"application/json; charset=utf-8")], "json"),
        ([(b"content-type", b"application/hal+json")], "json"),
        ([(b"content-type", b"text/event-stream")], "txt"),
        ([(b"content-type", b"image/png")], "png"),
        ([(b"content-type", b"text/html"), (b"content-encoding", b"gzip")], "gz"),
        ([(b"content-type", b"text/html"), (b"content-encoding", b"br")], "bin"),
    ],
)
def test_files_end_as_editors_know_them(fields: Fields, end: str) -> None:
    assert ending(fields) == end
