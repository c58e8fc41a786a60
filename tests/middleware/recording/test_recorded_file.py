"""The text of a recorded answer, and what people may write there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from proxy.core.recording import Answer, Question
from proxy.http.fields import Fields
from proxy.middleware.recording.recorded_file import (
    answer_of,
    ending,
    name_of,
    order,
    question_of,
    table_of,
    tables_of,
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
        ({"pieces": 5}, "pieces: a list of [SECONDS, BYTES] is expected"),
        ({"pieces": "ab"}, "pieces: a list of"),
        ({"pieces": [[0, 2.5]]}, "bytes: 2.5 is no number"),
        ({"length": 4.0}, "length: 4.0 is no number"),
        ({"ended": "no"}, "ended: 'no' is neither true nor false"),
        ({"chunked": 1}, "chunked: 1 is neither true nor false"),
        ({"reason": 5}, "reason: 5 is no text"),
        ({"fields": [["a", True]]}, "fields: a list of"),
        ({"length": 3}, "length: the body has 4 bytes, not 3; leave it out"),
        ({"length": 50}, "length: the body has 4 bytes, not 50"),
        ({"length": 3, "ended": False}, "length: the body has 4 bytes, not 3"),
        ({"fields": [["Connection", "close"]]}, "Connection is the proxy's to write"),
        ({"fields": [["keep-alive", "x"]]}, "keep-alive is the proxy's to write"),
        ({"fields": [["Upgrade", "websocket"]]}, "Upgrade is the proxy's to write"),
        ({"trailers": [["TE", "x"]]}, "TE is the proxy's to write"),
        ({"status": 426, "fields": [["Connection", "close"]]}, "Connection is the proxy's"),
    ],
)
def test_a_reply_that_is_wrong_says_why(reply: dict[str, Any], reason: str) -> None:
    table = {"status": 200, **reply} if reply else {}
    with pytest.raises(ValueError, match=re.escape(reason)):
        answer_of(table, b"body", "GET")


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 304)]
)
@pytest.mark.parametrize(
    ("more", "length"), [({}, 4), ({"length": 99}, 99), ({"chunked": True, "length": 9}, None)]
)
def test_there_is_no_body_where_http_has_none(
    method: str, status: int, more: dict[str, Any], length: int | None
) -> None:
    table = {"status": status, "pieces": [[0.5, 4]], "ended": False, **more}
    answer = answer_of(table, b"body", method)
    assert (answer.body, answer.pieces, answer.length, answer.ended) == (b"", [], length, True)


def test_a_length_may_be_that_of_the_body_or_of_a_stream_that_was_left() -> None:
    for length, ended in ((4, True), (99, False)):
        table = {"status": 200, "length": length, "ended": ended}
        assert answer_of(table, b"body", "GET").length == length


def test_fields_that_a_reply_was_recorded_with_may_stand_in_it() -> None:
    upgrade = [["Upgrade", "TLS/1.3"], ["Connection", "Upgrade"]]
    assert len(answer_of({"status": 426, "fields": upgrade}, b"", "GET").fields) == len(upgrade)
    assert answer_of({"status": 200, "fields": [["Trailer", "X-A"]]}, b"", "GET").fields


@pytest.mark.parametrize("name", ["method", "target"])
def test_a_request_has_texts(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: 5 is no text"):
        question_of({name: 5}, b"")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "[reply]\nstatsu = 200",
            "reply.statsu: this name is not known here, did you mean 'status'?",
        ),
        ("[reply]\nbody_file = 'x'", "reply.body_file: this name is not known here"),
        ("reply = 5", "there is no table [reply]"),
        ("x = " + "[" * 5000, "it is nested too deeply"),
        ("x = " + "{a=" * 5000, "it is nested too deeply"),
    ],
)
def test_a_file_that_is_wrong_says_why(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(reason)):
        table_of(tables_of(tmp_path / "a.toml"), "reply")


def test_a_byte_order_mark_is_none_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[reply]\nstatus = 200\n")
    assert table_of(tables_of(tmp_path / "a.toml"), "reply") == {"status": 200}


def test_a_request_is_written_a_byte_a_letter() -> None:
    with pytest.raises(ValueError, match="write each byte beyond ASCII as"):
        question_of({"target": "/\u20ac"}, b"")
    assert question_of({"target": "/\u00e9"}, b"").target == b"/\xe9"
    assert question_of({}, b"") == Question("GET", b"/", [], b"")


def test_a_file_has_what_it_was_made_of() -> None:
    asked = Question("GET", b"/\x7f\xe9", [(b"X", b"'\"\\")], b"")
    tables = tomllib.loads(text_of(asked, ANSWER, {}))
    assert question_of(table_of(tables, "request"), b"") == asked
    assert answer_of(table_of(tables, "reply"), b"ab", "GET") == ANSWER


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
        ([(b"content-type", b"text/html"), (b"content-encoding", b"none")], "html"),
    ],
)
def test_files_end_as_editors_know_them(fields: Fields, end: str) -> None:
    assert ending(fields) == end
