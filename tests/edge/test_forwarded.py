"""Whom we believe about the client, and what we tell the upstream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.edge.forwarded import Families, Forwarding

Fields = list[tuple[bytes, bytes]]

HOST = b"api.test"
TRUSTING = ("10.0.0.0/8", "fd00::/8")
SPOOFS = (
    *(b"X-Forwarded-For", b"x-forwarded-proto", b"X-FORWARDED-HOST", b"X-Forwarded-Port"),
    *(b"X-Forwarded-Prefix", b"X-Forwarded", b"X_Forwarded_For", b"X-Forwarded_For", b"forwarded"),
    *(b"x_forwarded_proto", b"Forwarded"),
)
PATHS = (b"SCRIPT_NAME", b"Script_Name", b"path_info")


def stamp(peer: bytes, node: bytes, *, host: bytes = b"api.test", proto: bytes = b"http") -> Fields:
    return [
        *([(b"X-Forwarded-For", peer)] if peer else []),
        (b"X-Forwarded-Proto", proto),
        (b"X-Forwarded-Host", HOST),
        (b"Forwarded", b"for=%b;host=%b;proto=%b" % (node, host, proto)),
    ]


@pytest.mark.parametrize(
    ("peer", "address", "node"),
    [
        ("192.0.2.1", "192.0.2.1", b"192.0.2.1"),
        ("2001:db8::1", "2001:db8::1", b'"[2001:db8::1]"'),
        ("::ffff:192.0.2.1", "192.0.2.1", b"192.0.2.1"),
        ("fe80::1%eth0", "fe80::1", b'"[fe80::1]"'),
        ("", "", b"unknown"),
        ("no address", "", b"unknown"),
    ],
)
def test_a_client_is_named_by_the_address_it_comes_from(
    peer: str, address: str, node: bytes
) -> None:
    forwarding = Forwarding(())
    for _ in range(2):  # learned, then remembered
        fields, client, scheme = forwarding.apply(
            [(b"A", b"1")], peer=peer, scheme="http", host=HOST
        )
        assert fields == [(b"A", b"1"), *stamp(address.encode(), node)]
        assert (client, scheme) == (address, "http")


@pytest.mark.parametrize(
    ("host", "quoted"),
    [
        (b"api.test", b"host=api.test;"),
        (b"api.test:80", b'host="api.test:80";'),
        (b"[::1]", b'host="[::1]";'),
        (b"a_b~c%20d", b"host=a_b~c%20d;"),
        (b"a;b", b""),
        (b"a=b", b""),
        (b'a"\\', b""),
        (b"", b""),
    ],
)
def test_hosts_are_quoted_where_they_are_no_tokens_and_left_out_where_they_hold_delimiters(
    host: bytes, quoted: bytes
) -> None:
    fields, _, _ = Forwarding(()).apply([], peer="192.0.2.1", scheme="https", host=host)
    named = dict(fields)
    assert named[b"Forwarded"] == b"for=192.0.2.1;" + quoted + b"proto=https"
    assert named.get(b"X-Forwarded-Host", b"") == host


@pytest.mark.parametrize("name", [*SPOOFS, *PATHS])
@pytest.mark.parametrize("peer", ["192.0.2.1", ""])
def test_strangers_are_not_believed(name: bytes, peer: str) -> None:
    fields, client, scheme = Forwarding(TRUSTING).apply(
        [(b"F", b"1"), (name, b"https;for=10.9.9.9"), (b"X-F", b"2")],
        peer=peer, scheme="http", host=HOST,
    )  # fmt: skip
    assert fields[:2] == [(b"F", b"1"), (b"X-F", b"2")]
    assert fields[2:] == stamp(peer.encode(), peer.encode() or b"unknown")
    assert (client, scheme) == (peer, "http")


@pytest.mark.parametrize("families", ["both", "x", "forwarded", "off"])
def test_a_trusted_proxy_may_say_which_part_of_the_path_names_a_script(families: Families) -> None:
    given: Fields = [(b"SCRIPT_NAME", b"/app"), (b"path_info", b"/a"), (b"Script-Name", b"/b")]
    for peer, kept in (("10.0.0.1", given), ("192.0.2.1", given[2:])):
        fields, _, _ = Forwarding(TRUSTING, families).apply(
            given, peer=peer, scheme="http", host=HOST
        )
        assert fields[: len(kept)] == kept
        assert len(fields) == len(kept) + {"both": 4, "x": 3, "forwarded": 1, "off": 0}[families]


def test_a_trusted_proxy_is_appended_to() -> None:
    fields, client, scheme = Forwarding(TRUSTING).apply(
        [
            (b"X-Forwarded-For", b"198.51.100.7"),
            (b"Forwarded", b'for="a, b"'),
            (b"A", b"1"),
            (b"x-forwarded-proto", b"https"),
            (b"X-Forwarded-For", b"203.0.113.9 , 10.1.1.1"),
            (b"X-Forwarded-Port", b"443"),
            (b"X_Forwarded_For", b"10.2.2.2"),
            (b"forwarded", b"for=203.0.113.9;proto=https"),
        ],
        peer="10.0.0.1", scheme="http", host=HOST,
    )  # fmt: skip
    assert fields == [
        (b"A", b"1"),
        (b"x-forwarded-proto", b"https"),
        (b"X-Forwarded-Port", b"443"),
        (b"X-Forwarded-For", b"198.51.100.7, 203.0.113.9, 10.1.1.1, 10.0.0.1"),
        (b"X-Forwarded-Host", HOST),
        (
            b"Forwarded",
            b"for=unknown, for=203.0.113.9;proto=https, for=10.0.0.1;host=api.test",
        ),
    ]
    assert (client, scheme) == ("203.0.113.9", "https")


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ({}, "10.0.0.1"),
        ({b"X-Forwarded-For": b""}, "10.0.0.1"),
        ({b"X-Forwarded-For": b"192.0.2.1"}, "192.0.2.1"),
        ({b"X-Forwarded-For": b"1.2.3.4, 192.0.2.1"}, "192.0.2.1"),
        ({b"X-Forwarded-For": b"192.0.2.1, 10.0.0.2, fd00::3"}, "192.0.2.1"),
        ({b"X-Forwarded-For": b"10.0.0.3, 10.0.0.2"}, "10.0.0.3"),
        ({b"X-Forwarded-For": b"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"),
        ({b"X-Forwarded-For": b"192.0.2.1, \xff"}, "10.0.0.1"),
        ({b"X-Forwarded-For": b"192.0.2.1:4711"}, "192.0.2.1"),
        ({b"X-Forwarded-For": b"[2001:db8::1]:4711"}, "2001:db8::1"),
        ({b"X-Forwarded-For": b"::ffff:192.0.2.1"}, "192.0.2.1"),
        ({b"Forwarded": b"for=192.0.2.1;proto=https"}, "192.0.2.1"),
        ({b"Forwarded": b'For="[2001:db8::1]:80", by=x; for=10.0.0.2'}, "2001:db8::1"),
        ({b"Forwarded": b"for=_hidden, for=10.0.0.2"}, "10.0.0.2"),
        ({b"Forwarded": b"for=192.0.2.9", b"X-Forwarded-For": b"192.0.2.1"}, "192.0.2.1"),
        # what stands in quotes is no parameter, and a comma in them ends nothing
        ({b"Forwarded": b'for=192.0.2.1;host="x;for=10.0.0.9"'}, "192.0.2.1"),
        ({b"Forwarded": b'for=192.0.2.1;host="x, for=6.6.6.6"'}, "192.0.2.1"),
        ({b"Forwarded": b'for=192.0.2.1;host="x\\", for=6.6.6.6"'}, "192.0.2.1"),
        ({b"Forwarded": b'for="192.0.2.\\1"'}, "192.0.2.1"),
        ({b"Forwarded": b"proto=http, for=10.0.0.2"}, "10.0.0.2"),
        # what cannot be read is believed to the right of it only
        ({b"Forwarded": b'for=6.6.6.6;host="x, for=192.0.2.1'}, "10.0.0.1"),
        ({b"Forwarded": b"for=6.6.6.6;for=192.0.2.1"}, "10.0.0.1"),
        ({b"Forwarded": b"for = 6.6.6.6"}, "10.0.0.1"),
        ({b"Forwarded": b"for=6.6.6.6 for=192.0.2.1"}, "10.0.0.1"),
        ({b"Forwarded": b'x="', b"forwarded": b"for=192.0.2.1"}, "192.0.2.1"),
        ({b"Forwarded": b"for=6.6.6.6", b"forwarded": b'x="'}, "10.0.0.1"),
        ({b"X-Forwarded-For": b'6.6.6.6, "192.0.2.1"'}, "10.0.0.1"),
        ({b"X-Forwarded-For": b"6.6.6.6, [192.0.2.1"}, "10.0.0.1"),
        ({b"X-Forwarded-For": b"6.6.6.6, [::1]x"}, "10.0.0.1"),
    ],
)
def test_the_client_is_the_right_most_address_that_is_not_ours(
    said: dict[bytes, bytes], client: str
) -> None:
    found = Forwarding(TRUSTING).apply([*said.items()], peer="10.0.0.1", scheme="http", host=HOST)
    assert found[1] == client


@pytest.mark.parametrize(
    ("said", "scheme"),
    [
        ({b"X-Forwarded-Proto": b"https"}, "https"),
        ({b"X-Forwarded-Proto": b"http, HTTPS"}, "https"),
        ({b"X-Forwarded-Proto": b"wss"}, "https"),
        ({b"X-Forwarded-Proto": b"gopher"}, "http"),
        ({b"Forwarded": b'for=192.0.2.1;Proto="https"'}, "https"),
        ({b"Forwarded": b"for=192.0.2.1"}, "http"),
    ],
)
def test_a_trusted_proxy_knows_the_clients_scheme(said: dict[bytes, bytes], scheme: str) -> None:
    found = Forwarding(TRUSTING).apply([*said.items()], peer="10.0.0.1", scheme="http", host=HOST)
    assert found[2] == scheme


@pytest.mark.parametrize(
    ("said", "fields", "client"),
    [
        ([], stamp(b"", b"unknown"), ""),
        (
            [(b"X-Forwarded-For", b"192.0.2.1"), (b"X-Forwarded-For", b"10.0.0.1")],
            [
                (b"X-Forwarded-For", b"192.0.2.1, 10.0.0.1"),
                *stamp(b"", b"192.0.2.1, for=10.0.0.1, for=unknown"),
            ],
            "192.0.2.1",
        ),
    ],
)
def test_a_trusted_unix_socket_adds_no_address(said: Fields, fields: Fields, client: str) -> None:
    forwarding = Forwarding(("unix", "10.0.0.0/8"))
    assert forwarding.apply(said, peer="", scheme="http", host=HOST) == (fields, client, "http")


@pytest.mark.parametrize("trusted", ["localhost", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_what_is_neither_a_network_nor_unix_is_refused(trusted: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Forwarding((trusted,))


def test_what_is_remembered_is_bounded() -> None:
    forwarding = Forwarding(TRUSTING)
    for number in range(3000):
        peer = f"192.0.{number >> 8}.{number & 255}"
        fields, client, _ = forwarding.apply([], peer=peer, scheme="http", host=b"h%d" % number)
        assert (client, fields[0][1]) == (peer, peer.encode())
    assert len(forwarding._peers) <= 1024
    assert len(forwarding._stamps) <= 1024


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"A", b"x-b", b"From", *SPOOFS]),
            st.binary(max_size=8).map(lambda value: value.replace(b"\n", b"").replace(b"\r", b"")),
        ),
        max_size=8,
    ),
    st.sampled_from(["192.0.2.1", "10.0.0.1", ""]),
)
def test_other_fields_keep_order_and_bytes_whoever_asks(some: Fields, peer: str) -> None:
    before = list(some)
    fields, _, scheme = Forwarding(TRUSTING).apply(some, peer=peer, scheme="http", host=HOST)
    others = (b"A", b"x-b", b"From")
    assert some == before
    assert [f for f in fields if f[0] in others] == [f for f in some if f[0] in others]
    assert [name.lower() for name, _ in fields].count(b"forwarded") == 1
    assert [name.lower() for name, _ in fields].count(b"x-forwarded-for") <= 1
    assert scheme in ("http", "https")
    assert not any(b"_" in name for name, _ in fields)
