"""JSON in one form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.canonical_json import canonical


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b' { "b" : 1 , "a" : [ true , null , "x" ] } ', b'{"a":[true,null,"x"],"b":1}'),
        (b'{"a": 1.0}', b'{"a":1}'),
        (b'{"a": 1e2}', b'{"a":100}'),
        (b"-0.0", b"0"),
        (b'"\\u0041\\/"', b'"A/"'),
        ('"\u00e9"'.encode(), '"\u00e9"'.encode()),
        (b'"\\u00e9"', '"\u00e9"'.encode()),
        # the numbers of RFC 8785, appendix B
        (b"333333333.33333329", b"333333333.3333333"),
        (b"1E30", b"1e+30"),
        (b"4.50", b"4.5"),
        (b"2e-3", b"0.002"),
        (b"0.000000000000000000000000001", b"1e-27"),
        (b"0.000001", b"0.000001"),
        (b"1e-7", b"1e-7"),
        (b"999999999999999900000", None),
        # sorted by UTF-16: a surrogate pair stands before U+FB33 (RFC 8785 3.2.3)
        ('{"\ufb33":1,"\U0001f600":2}'.encode(), '{"\U0001f600":2,"\ufb33":1}'.encode()),
        # what has none
        (b'{"a":1,"a":2}', None),
        (b"NaN", None),
        (b"1e999", None),
        (b"9007199254740993", None),
        (b"{", None),
        (b"\xff", None),
        ('{"a":1}'.encode("utf-8-sig"), None),
        ('{"a":1}'.encode("utf-16"), None),
        ('{"a":1}'.encode("utf-16-le"), None),
        ('{"a":1}'.encode("utf-32-be"), None),
        (b"[" * 200 + b"]" * 200, None),
        (b"[" * 100_000, None),
        (b"", None),
    ],
    ids=range(29),
)
def test_one_form(text: bytes, found: bytes | None) -> None:
    assert canonical(text) == found


SIZE = 1 << 20
MANY = {
    "numbers": b"[" + b"1," * (SIZE // 2) + b"1]",
    "deep numbers": b"[" * 98 + b"[" + b"1," * (SIZE // 2) + b"1]" + b"]" * 98,
    "lists": b"[" + b"[]," * (SIZE // 3) + b"1]",
    "deep lists": b"[" + (b"[" * 90 + b"]" * 90 + b",") * (SIZE // 181) + b"1]",
    "texts": b"[" + b'"",' * (SIZE // 3) + b"1]",
    "objects": b"[" + b"{}," * (SIZE // 3) + b"1]",
    "members": b"{" + b",".join(b'"%x":1' % i for i in range(SIZE // 9)) + b"}",
}


@pytest.mark.parametrize("name", MANY)
def test_more_values_than_there_is_time_for_have_no_form(name: str) -> None:
    assert canonical(MANY[name]) is None


def test_a_long_text_and_a_long_talk_have_a_form() -> None:
    talk = b"[" + b",".join([b'{"role":"user","text":"[a], [b] and {c}, d"}'] * 5_000) + b"]"
    for text in (talk, b'["' + b"a[," * (SIZE // 60) + b'"]', b"[" + b"1," * 20_000 + b"1]"):
        form = canonical(text)
        assert form is not None
        assert json.loads(form) == json.loads(text)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


@given(values)
def test_it_means_the_same_and_is_its_own_form(value: object) -> None:
    form = canonical(json.dumps(value).encode())
    assert form is not None
    assert json.loads(form) == value
    assert canonical(form) == form
