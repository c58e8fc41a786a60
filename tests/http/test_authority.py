"""What counts as a host, and which part of it is the name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.authority import comparable, host_pattern, hostname, network, valid_host


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"a",
            b"api.test",
            b"API.test.",
            b"api.test:8080",
            b"api.test:",
            b"a_b-c~d",
            b"127.0.0.1:1",
        ),
        *(
            b"[::1]",
            b"[2001:DB8::1]:443",
            b"[::ffff:1.2.3.4]",
            b"a%20b",
            b"x!$&'()*+;=",
            b"a:65535",
        ),
    ],
)
def test_hosts_of_rfc_3986_are_valid(value: bytes) -> None:
    assert valid_host(value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b":80",
            b"a b",
            b"a/b",
            b"a\\b",
            b"u@a",
            b"u:p@a",
            b"a,b",
            b"a?b",
            b"a#b",
            b'a"b',
            b"a<b",
        ),
        *(
            b"a:b",
            b".",
            b".a",
            b"a:80:80",
            b"a:65536",
            b"a:999999",
            b"a:-1",
            b"a:+1",
            b"a%2",
            b"a%zz",
            b"a\x00",
        ),
        *(b"a\n", b"a\r\nX: y", b"\xc3\xa9", b"[", b"[]", b"[::1", b"::1", b"[1.2.3.4]", b"[:::]"),
        *(b"[::1]x", b"[::1%25eth0]", b"[fe80::1%1]", b"http://a", b"a\xb2", b"a:\xb2"),
    ],
)
def test_everything_else_is_not(value: bytes) -> None:
    assert not valid_host(value)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Api.Test:8080", "api.test"),
        ("api.test.", "api.test"),
        ("api.test.:80", "api.test"),
        ("[::1]:8080", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[2001:db8:0:0:0::1]:80", "[2001:db8::1]"),
        ("", ""),
    ],
)
def test_the_name_is_what_is_left_of_case_port_and_root_dot(host: str, name: str) -> None:
    assert hostname(host) == name


@given(st.binary(max_size=30))
def test_a_valid_host_can_stand_in_any_field_and_any_url(value: bytes) -> None:
    if valid_host(value):
        assert not set(value) & set(b' \t\r\n\0/\\?#@,"<>')
        assert hostname(value.decode("ascii"))


@pytest.mark.parametrize(
    ("scheme", "authority", "plain"),
    [
        (b"http", b"API.test:80", b"api.test"),
        (b"https", b"api.test:443", b"api.test"),
        (b"http", b"api.test:443", b"api.test:443"),
        (b"https", b"api.test:80", b"api.test:80"),
        (b"", b"api.test:80", b"api.test"),
        (b"http", b"[::1]:80", b"[::1]"),
    ],
)
def test_an_authority_is_compared_without_case_and_default_port(
    scheme: bytes, authority: bytes, plain: bytes
) -> None:
    assert comparable(scheme, authority) == plain


@pytest.mark.parametrize(
    ("cidr", "meant"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:a00:1", "10.0.0.1/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_an_ipv4_network_is_one_however_it_is_written(cidr: str, meant: str) -> None:
    assert str(network(cidr)) == meant


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("", ""), ("API.test.", "api.test"), ("*.API.test", "*.api.test"), ("[::0:1]", "[::1]")],
)
def test_a_pattern_is_a_name_or_all_names_below_one(text: str, pattern: str) -> None:
    assert host_pattern(text) == pattern


@pytest.mark.parametrize("text", ["*", "*.", "a.*.b", "*.*.b", "a b", "caf\xe9", "a/b"])
def test_nothing_else_is_a_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="host must be a name"):
        host_pattern(text)
