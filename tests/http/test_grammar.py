"""Tokens, lists and quoted strings."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http.grammar import CONTROL, QUOTABLE, TOKEN, members, quoted, unquoted


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (b"X-Tenant", True),
        (b"!#$%&'*+-.^_`|~09azAZ", True),
        (b"", False),
        (b"a b", False),
        (b"a:", False),
        (b"caf\xe9", False),
        (b"a\n", False),
    ],
)
def test_a_token_is_of_its_characters_alone(text: bytes, right: bool) -> None:
    assert bool(TOKEN.fullmatch(text)) is right


def test_a_token_is_of_the_characters_that_the_rfc_lists() -> None:
    delimiters = b'"(),/:;<=>?@[\\]{}'
    tokens = bytes(code for code in range(0x21, 0x7F) if code not in delimiters)
    assert bytes(code for code in range(256) if TOKEN.fullmatch(bytes((code,)))) == tokens


def test_every_control_character_but_the_tab_is_one() -> None:
    controls = bytes(code for code in range(256) if CONTROL.search(bytes((code,))))
    assert controls == bytes((*range(9), *range(10, 32), 127))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"a", [b"a"]),
        (b"a, b ,\tc", [b"a", b"b", b"c"]),
        (b",, a,", [b"a"]),
        (b"", []),
        (b" , ", []),
        (b"A;q=1", [b"A;q=1"]),
    ],
)
def test_members_of_a_list_have_no_blanks_and_are_not_empty(
    value: bytes, found: list[bytes]
) -> None:
    assert members(value) == found


@example(b'a"\\b\t')
@given(st.binary(max_size=40).filter(lambda value: not CONTROL.search(value)))
def test_what_was_quoted_is_read_back(value: bytes) -> None:
    text = re.fullmatch(rb'"(%b)"' % QUOTABLE, quoted(value))
    assert text is not None
    assert unquoted(text[1]) == value
