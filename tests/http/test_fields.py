"""Field lines, and looking things up among fields."""

from collections.abc import Container
from typing import Any

import pytest

from proxy.http.fields import (
    DASHED,
    Encoded,
    RawHeaders,
    check_lines,
    cookie,
    encode,
    has,
    media_type,
    of_name,
    once,
    placed,
    read_fields,
    replaced,
    values,
    without,
)
from proxy.http.grammar import Malformed

FIELDS = [(b"Accept", b"a"), (b"ACCEPT", b"b"), (b"Accept-Encoding", b"gzip"), (b"x", b"")]


def test_a_name_is_found_in_any_case_and_order_is_kept() -> None:
    assert values(FIELDS, b"accept") == [b"a", b"b"]
    assert values(FIELDS, b"x") == [b""]
    assert values(FIELDS, b"host") == []
    assert has(FIELDS, b"accept-encoding")
    assert has(FIELDS, b"x")
    assert not has(FIELDS, b"accep")
    assert without(FIELDS, b"accept") == FIELDS[2:]
    assert without(FIELDS, b"host") == FIELDS


def test_what_runs_behind_cgi_tells_no_dash_from_another() -> None:
    for name in (b"X_Api_Key", b"x-api_KEY", b"X-Api-Key"):
        assert DASHED[name] == DASHED[name] == b"x-api-key"


def test_known_lines_count_for_the_very_same_fields_only() -> None:
    lines = encode(FIELDS, None)
    assert lines == b"Accept: a\r\nACCEPT: b\r\nAccept-Encoding: gzip\r\nx: \r\n"
    known = Encoded(FIELDS, b"as they came")
    assert encode(FIELDS, known) == b"as they came"
    assert encode(list(FIELDS), known) == lines


def test_lines_that_were_written_are_read_back() -> None:
    assert read_fields(encode(FIELDS, None)) == FIELDS
    assert read_fields(b"a:\t b\tc \r\n") == [(b"a", b"b\tc")]
    assert read_fields(b"") == []


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"a: 1\r\n b: 2\r\n", "begins with a blank"),
        (b"a : 1\r\n", "no colon right behind the field name a"),
        (b"a\r\n", "a line that is no field"),
        (b": 1\r\n", "a line that is no field"),
        (b"a: 1\nb: 2\r\n", "a control character or a bare line break in the value of a"),
        (b"a: \x00\r\n", "a control character or a bare line break in the value of a"),
        (b"caf\xe9: 1\r\n", "no colon right behind the field name caf"),
    ],
)
def test_what_is_only_nearly_a_field_line_is_refused_with_a_reason(block: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read_fields(block)
    with pytest.raises(Malformed, match=why):
        check_lines(bytearray(b"GET" + block), 3, 3 + len(block))


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"id", b"1"), (b"Id", b"2"), (b"empty", b""), (b"last", b"a=b"), (b"none", None)],
)
def test_cookies_are_told_apart_by_case(name: bytes, value: bytes | None) -> None:
    fields = [(b"Cookie", b"id=1; Id=2;empty="), (b"cookie", b"id=3; last=a=b")]
    assert cookie(fields, name) == value


@pytest.mark.parametrize("value", [b"Text/HTML", b" text/html ;charset=utf-8", b'text/html;a=";"'])
def test_a_media_type_has_no_parameters_and_no_case(value: bytes) -> None:
    assert media_type(value) == b"text/html"


def test_a_value_is_replaced_in_its_place() -> None:
    assert replaced(FIELDS, b"accept", b"c") == [(b"Accept", b"c"), *FIELDS[2:]]
    assert replaced(FIELDS, b"host", b"c") == FIELDS


def test_fields_of_a_name_come_as_they_were_sent() -> None:
    fields = [(b"uPgrade", b"a"), (b"Upgraded", b"b"), (b"Upgrade", b"")]
    assert of_name(fields, b"upgrade") == [(b"uPgrade", b"a"), (b"Upgrade", b"")]


class AllAtOne:
    """Heads that are alike: all that is looked for stands at 1."""

    def __init__(self, told: list[int] | None) -> None:
        self.told = told

    def places(self, fields: RawHeaders, names: Container[bytes]) -> list[int] | None:
        return self.told

    def once(self, *_: object) -> Any:
        return self.told


@pytest.mark.parametrize(
    ("fields_of_it", "told", "found"),
    [(True, [1], [1]), (True, None, [0, 2]), (False, [1], [0, 2])],
)
def test_what_heads_alike_have_is_taken_for_the_very_same_fields_only(
    fields_of_it: bool, told: list[int] | None, found: list[int]
) -> None:
    fields = [(b"Cookie", b"a"), (b"Via", b"b"), (b"AUTHORIZATION", b"c")]
    known = Encoded(fields if fields_of_it else [*fields], b"", alike=AllAtOne(told))
    assert placed(fields, known, frozenset((b"authorization", b"cookie"))) == found
    assert placed(fields, None, frozenset((b"authorization", b"cookie"))) == [0, 2]


@pytest.mark.parametrize(
    ("fields_of_it", "told", "found"),
    [(True, [1], [1]), (True, None, [2]), (False, [1], [2])],
)
def test_what_was_found_in_heads_alike_is_taken_for_the_very_same_fields_only(
    fields_of_it: bool, told: list[int] | None, found: list[int]
) -> None:
    fields = [(b"Cookie", b"a"), (b"Via", b"b")]
    known = Encoded(fields if fields_of_it else [*fields], b"", alike=AllAtOne(told))

    def look(those: RawHeaders, host: str) -> list[int]:
        assert (those, host) == (fields, "a")
        return [len(those)]

    assert once(fields, known, frozenset((b"cookie",)), look, "a") == found
    assert once(fields, None, frozenset((b"cookie",)), look, "a") == [2]
