"""Where the values of secret members of JSON are found."""

import json

import pytest

from proxy.middleware.recording.members import Members

MEMBERS = Members([b"api_key", b"password"])


@pytest.mark.parametrize(
    ("body", "values", "whole"),
    [
        (b'{"password": "a\\"b"}', [b'a\\"b'], True),
        (b'{"PASSWORD" : "a\\\\", "x": "y"}', [b"a\\\\"], True),
        (b'{"api-key": 18181818, "x": 1}', [b"18181818"], True),
        (b'{"api_key": -1.5e+3}', [b"-1.5e+3"], True),
        (b'{"api_key": ["a", 1, true, "b"], "x": "y"}', [b"a", b"1", b"b"], True),
        (b'{"api_key": {"id": "a", "in": [{"x" : 7}]}}', [b"a", b"7"], True),
        (b'{"password": {"password": "a"}, "api_key": "b"}', [b"a", b"b"], True),
        (b'{"password": ""}', [], True),
        (b'{"password": null, "api_key": true}', [], True),
        (b'{"password": []}', [], True),
        (b'{"x": "password", "y": "a"}', [], True),
        (b'"password": "cut', [b"cut"], True),
        (b'"password": ["a", "cut', [b"a", b"cut"], False),
        (b'"password": {label: "Your password"}', [], False),
        (b'"password": ["a", b]', [b"a"], False),
        (b'"password": ]', [], True),
        (b'\\\\"password\\\\": \\\\"a\\\\"', [], True),
    ],
)
def test_texts_and_numbers_are_found_in_whatever_a_member_holds(
    body: bytes, values: list[bytes], whole: bool
) -> None:
    found = list(MEMBERS.find(body))
    assert [body[each.start : each.end] for one in found for each in one.scalars] == values
    assert all(one.whole is whole for one in found)


@pytest.mark.parametrize("value", ['a"b', "a\\", 'a\\"', "a\nb", [1, "x"], {"a": ["\\", 'b"']}, 17])
@pytest.mark.parametrize("depth", range(4))
def test_json_within_texts_of_json_is_found(value: object, depth: int) -> None:
    text = json.dumps({"before": 'x"\\', "password": value, "after": 'y"\\'})
    for _ in range(depth):
        text = json.dumps({"inner": text, "after": 1})
    [member] = MEMBERS.find(text.encode())
    found = text[member.start : member.end]
    for _ in range(depth):
        found = json.loads(f'"{found}"')
    assert json.loads(found) == value
    assert member.whole


def test_where_the_text_around_it_ends_a_text_ends_too() -> None:
    body = b'{"log": "\\"password\\": \\"cut", "next": "a"}'
    [member] = MEMBERS.find(body)
    assert body[member.start : member.end].startswith(b'\\"cut')
    [(start, end, _)] = member.scalars
    assert body[start:end] == b"cut"
