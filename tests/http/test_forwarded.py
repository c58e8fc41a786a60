"""The grammar of Forwarded (RFC 7239 4), against a reader that goes character by character."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http.forwarded import (
    Element,
    elements,
    encode_element,
    told_host,
    told_scheme,
    valid_values,
)
from proxy.http.grammar import Malformed

TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOOSE = TOKEN + b":[]/"


def by_hand(value: bytes) -> list[Element] | None:
    """None where it is not what the grammar says."""
    found: list[Element] = []
    element: Element = {}
    at = 0

    def blanks() -> None:
        nonlocal at
        while value[at : at + 1] in (b" ", b"\t"):
            at += 1

    def word(of: bytes) -> bytes:
        nonlocal at
        start = at
        while at < len(value) and value[at] in of:
            at += 1
        return value[start:at]

    while True:
        blanks()
        if name := word(TOKEN):
            if value[at : at + 1] != b"=":
                return None
            at += 1
            text = b""
            if value[at : at + 1] == b'"':
                at += 1
                while True:
                    char = value[at : at + 1]
                    at += 1
                    if char == b'"':
                        break
                    if char == b"\\":
                        char = value[at : at + 1]
                        at += 1
                    if not char or (char < b" " and char != b"\t") or char == b"\x7f":
                        return None
                    text += char
            elif not (text := word(LOOSE)):
                return None
            if name.lower() in element:
                return None
            element[name.lower()] = text
        blanks()
        stop = value[at : at + 1]
        at += 1
        if stop not in (b";", b",", b""):
            return None
        if stop != b";" and element:
            found.append(element)
            element = {}
        if not stop:
            return found


@given(
    st.text(alphabet='aF=1;,"\\ \t[]:@é\x00', max_size=24).map(lambda text: text.encode("latin-1"))
)
@example(b'for="a\\"b;c,d";x=1 ; y="" ,, ;,for=[::1]:80')
def test_it_is_read_as_by_hand(value: bytes) -> None:
    try:
        found: list[Element] | None = elements(value)
    except Malformed:
        found = None
    assert found == by_hand(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        # RFC 7239 4
        (b'for="_gazonk"', [{b"for": b"_gazonk"}]),
        (b'For="[2001:db8:cafe::17]:4711"', [{b"for": b"[2001:db8:cafe::17]:4711"}]),
        (
            b"for=192.0.2.60;proto=http;by=203.0.113.43",
            [{b"for": b"192.0.2.60", b"proto": b"http", b"by": b"203.0.113.43"}],
        ),
        (
            b"for=192.0.2.43, for=198.51.100.17",
            [{b"for": b"192.0.2.43"}, {b"for": b"198.51.100.17"}],
        ),
        (b"", []),
        (b" , ;,", []),
        (b'a="\\\\\\""', [{b"a": b'\\"'}]),
    ],
)
def test_elements_are_told_apart(value: bytes, wanted: list[Element]) -> None:
    assert elements(value) == wanted


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([b"for", b"host", b"proto", b"x"]),
            st.text(alphabet='a1:;,"\\ =[]', min_size=1, max_size=8).map(str.encode),
            min_size=1,
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read_again(some: list[Element]) -> None:
    value = b", ".join(encode_element(element.items()) for element in some)
    assert elements(value) == some


@pytest.mark.parametrize("value", [b"x=1;" * 1, b'x="', b" ", b'\\"', b'a="b', b",", b"a=1,"])
def test_work_is_linear_in_what_came(value: bytes) -> None:
    """A hundred thousand of anything is read at once, or refused; it would take hours otherwise."""
    try:
        elements(value * 100_000)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("value", "host", "scheme"),
    [
        (b"api.test:8443", b"api.test:8443", b""),
        (b"https", b"https", b"https"),
        (b"x;for=192.0.2.1", b"", b""),
        (b"a b", b"", b""),
        (b"", b"", b""),
        (b"svn+ssh", b"", b"svn+ssh"),
    ],
)
def test_a_host_or_scheme_with_a_delimiter_is_not_said(
    value: bytes, host: bytes, scheme: bytes
) -> None:
    assert told_host(value) == host
    assert told_scheme(value) == scheme


def test_a_line_stays_as_it_came_where_all_of_it_is_right() -> None:
    line = b'For="[2001:db8::1]:80" ; HOST=api.test, by=_me;x="any;thing"'
    assert valid_values(line, elements(line)) == (line, elements(line))


def test_what_is_no_node_host_or_scheme_is_left_out() -> None:
    line = b'for="a b";host="x;for=1";proto=http, by="<>"'
    kept, told = valid_values(line, elements(line))
    assert kept == b"for=unknown;proto=http"
    assert told == [{b"for": b"unknown", b"proto": b"http"}, {}]


@pytest.mark.parametrize(
    "node",
    [
        *(b"192.0.2.1", b"192.0.2.1:80", b"[2001:db8::1]", b"[fe80::1%eth0]:80", b"unknown"),
        *(b"_a-b.c", b"_Z9"),
    ],
)
def test_every_form_of_a_node_is_passed_on(node: bytes) -> None:
    line = b'for="%b"' % node
    assert valid_values(line, elements(line)) == (line, [{b"for": node}])


@pytest.mark.parametrize("node", [b"a/b", b"a=b", b"a;b", b"a,b", b"<a>", b"a@b", b"\xff", b"a b"])
def test_what_is_no_form_of_a_node_is_not(node: bytes) -> None:
    line = b'for="%b"' % node
    assert valid_values(line, elements(line)) == (b"for=unknown", [{b"for": b"unknown"}])
