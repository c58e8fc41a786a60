"""What stands for a secret, however a text writes it."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.middleware.recording.masking import LONG, SHORT, without
from proxy.middleware.recording.members import Members

ODD = b'a/b+c== "d"\\\xe9'
TEXT = ODD.decode("latin-1")


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        quote(ODD, safe="").encode(),
        quote(ODD).encode(),
        quote_plus(ODD).encode(),
        quote(ODD, safe="").lower().encode(),
        quote(quote(ODD, safe=""), safe="").encode(),
        quote(ODD, safe="+=").encode(),
        repr(ODD)[2:-1].encode(),
        json.dumps(TEXT)[1:-1].encode(),
        json.dumps(TEXT)[1:-1].replace("/", "\\/").encode(),
        json.dumps(json.dumps(TEXT)[1:-1])[1:-1].encode(),
        json.dumps(TEXT, ensure_ascii=False)[1:-1].encode(),
        json.dumps(TEXT)[1:-1].replace("+", "\\u002B").replace("=", "\\u003d").encode(),
    ],
)
def test_a_secret_is_found_in_another_writing(written: bytes) -> None:
    assert without(b"<" + written + b">", [ODD], SHORT) == b"<***>"
    assert without(b"<" + written + b">", [ODD], LONG) == b"<" + b"*" * len(written) + b">"


@given(st.binary(min_size=6, max_size=30), st.sampled_from(["", "/", "+=!'()*"]))
@example(b"\0'%\0'%", "+=!'()*")
@example(b"0/2uu%", "/")
def test_any_secret_is_found_as_urls_write_it(secret: bytes, safe: str) -> None:
    assert without(quote(secret, safe=safe).encode(), [secret], SHORT) == b"***"


def test_digits_become_digits_so_that_a_number_stays_one() -> None:
    body = b'{"password": 12345678, "api_key": ["x1", -0.5e3], "id": 12345678}'
    members = list(Members([b"password", b"api_key"]).find(body))
    assert [LONG.member(body, each) for each in members] == [b"11111111", b'["**", -1.1e1]']
    assert without(body, [b"12345678"], LONG).endswith(b'"id": 11111111}')


def test_a_member_of_a_request_is_one_text_whatever_it_held() -> None:
    for value in (b"1", b'"a"', b'["a", 2]', b'{"a": "b"}'):
        body = b'{"password": %b}' % value
        [member] = Members([b"password"]).find(body)
        assert SHORT.member(body, member) == b'"***"'
    [member] = Members([b"password"]).find(b'"password": ["a", b')
    assert SHORT.member(b'"password": ["a", b', member) == b'["***", '


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'["is too short (min 8)", "blank"]', b'["is too short (min 8)", "blank"]'),
        (b'{"type": "string", "minLength": 8}', b'{"type": "string", "minLength": 8}'),
        (b'["sk-17", "abcdefghijklmnop", 42]', b'["*****", "****************", 11]'),
        (b'[{"value": "hunter2"}, {"id": 42}]', b'[{"value": "*******"}, {"id": 42}]'),
        (b'{"password": "a b", "api_key": 42}', b'{"password": "***", "api_key": 11}'),
        (b'["Bearer sk-17", "Basic is bad"]', b'["************", "Basic is bad"]'),
        (b'["-----BEGIN KEY"]', b'["**************"]'),
        (b'"my own words"', b'"************"'),
    ],
)
def test_words_below_the_name_of_a_secret_stay_in_a_reply(value: bytes, shown: bytes) -> None:
    body = b'{"password": %b}' % value
    [member] = Members([b"password", b"api_key"]).find(body)
    assert LONG.member(body, member) == shown
    assert SHORT.member(body, member) == b'"***"'
