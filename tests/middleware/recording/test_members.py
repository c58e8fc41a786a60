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
    [text] = member.scalars
    assert body[text.start : text.end] == b"cut"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b'"a"', [b"a"]),
        (b"1", [b"1"]),
        (b'["a", 1, ["b", 2], {"c": 3}, 4]', [b"1", b"2", b"4"]),
        (b'{"a": 1, "b": "c", "d": [2]}', []),
        (b'{"a": [{"password": "b", "c": "d"}, "e"], "API-KEY": [{"x": 5}, 1, "f"]}', [b"b", b"1"]),
        (b'{"password": {"a": 1}, "b": 2}', []),
        (b'{"a": "password", "b": 2}', []),
    ],
)
def test_what_is_called_as_a_secret_is_told_from_what_it_holds_besides(
    value: bytes, named: list[bytes]
) -> None:
    body = b'{"password": %b, "after": 1}' % value
    [member] = MEMBERS.find(body)
    assert [body[each.start : each.end] for each in member.scalars if each.is_named] == named
    inner = json.dumps({"inner": body.decode()}).encode()
    [member] = MEMBERS.find(inner)
    assert [inner[each.start : each.end] for each in member.scalars if each.is_named] == named
