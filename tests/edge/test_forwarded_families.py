"""X-Forwarded-* and Forwarded say the same, and nobody is someone else by either of them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.edge.forwarded import Families, Forwarding

Fields = list[tuple[bytes, bytes]]

HOST = b"api.test"
TRUSTING = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        # RFC 7239 7.4: what came as X-Forwarded-* is said in Forwarded too, and nothing else
        (
            [(b"X-Forwarded-For", b"192.0.2.1"), (b"X-Forwarded-Proto", b"https")],
            [
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-For", b"192.0.2.1, 10.0.0.1"),
                (b"X-Forwarded-Host", HOST),
                (b"Forwarded", b"for=192.0.2.1;proto=https, for=10.0.0.1;host=api.test"),
            ],
        ),
        (
            [
                (b"X-Forwarded-For", b"2001:db8::1, 10.0.0.2:99, unknown"),
                (b"X-Forwarded-Host", b"shop.test:443"),
                (b"X-Forwarded-Proto", b"https"),
            ],
            [
                (b"X-Forwarded-Host", b"shop.test:443"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-For", b"2001:db8::1, 10.0.0.2:99, unknown, 10.0.0.1"),
                (
                    b"Forwarded",
                    b'for="[2001:db8::1]";host="shop.test:443";proto=https, for=10.0.0.2, '
                    b"for=unknown, for=10.0.0.1",
                ),
            ],
        ),
        (
            [(b"X-Forwarded-Proto", b"https")],
            [
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-For", b"10.0.0.1"),
                (b"X-Forwarded-Host", HOST),
                (b"Forwarded", b"for=unknown;proto=https, for=10.0.0.1;host=api.test"),
            ],
        ),
        # as many as there are nodes belong to one each; else nobody knows whose they are
        (
            [
                (b"X-Forwarded-For", b"192.0.2.1, 10.0.0.2"),
                (b"X-Forwarded-Proto", b"https, http"),
                (b"X-Forwarded-Host", b"a, b, c"),
            ],
            [
                (b"X-Forwarded-Proto", b"https, http"),
                (b"X-Forwarded-Host", b"a, b, c"),
                (b"X-Forwarded-For", b"192.0.2.1, 10.0.0.2, 10.0.0.1"),
                (
                    b"Forwarded",
                    b"for=192.0.2.1;proto=https, for=10.0.0.2;proto=http, for=10.0.0.1;proto=http",
                ),
            ],
        ),
        # and the other way round
        (
            [(b"Forwarded", b'for="[2001:db8::1]:80";host=shop.test;proto=https, for=_x')],
            [
                (b"X-Forwarded-For", b"2001:db8::1, unknown, 10.0.0.1"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-Host", b"shop.test"),
                (
                    b"Forwarded",
                    b'for="[2001:db8::1]:80";host=shop.test;proto=https, for=_x, for=10.0.0.1',
                ),
            ],
        ),
        # what nobody can read is not passed on, or what is put behind it could not be read either
        (
            [(b"Forwarded", b'for=6.6.6.6;host="x')],
            [
                (b"X-Forwarded-For", b"unknown, 10.0.0.1"),
                (b"X-Forwarded-Proto", b"http"),
                (b"X-Forwarded-Host", HOST),
                (b"Forwarded", b"for=unknown, for=10.0.0.1;host=api.test;proto=http"),
            ],
        ),
    ],
)
def test_the_two_families_say_the_same(said: Fields, wanted: Fields) -> None:
    fields, _, _ = Forwarding(TRUSTING).apply(said, peer="10.0.0.1", scheme="http", host=HOST)
    assert fields == wanted


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1"])
@pytest.mark.parametrize(
    ("families", "names"),
    [
        ("both", {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}),
        ("x", {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}),
        ("forwarded", {b"forwarded"}),
        ("off", set()),
    ],
)
def test_families_that_are_left_out_are_not_sent_by_anybody(
    peer: str, families: Families, names: set[bytes]
) -> None:
    said = [(b"A", b"1"), (b"X-Forwarded-For", b"192.0.2.9"), (b"X-Forwarded-Host", b"h")]
    fields, client, _ = Forwarding(TRUSTING, families).apply(
        said, peer=peer, scheme="http", host=HOST
    )
    assert {name.lower() for name, _ in fields} == names | {b"a"}
    assert client == ("192.0.2.1" if peer == "192.0.2.1" else "192.0.2.9")


@pytest.mark.parametrize("name", [b"X-Real-IP", b"x-real-ip", b"X_Real_IP", b"X-Real_ip"])
def test_a_stranger_does_not_say_who_it_really_is(name: bytes) -> None:
    said = [(b"A", b"1"), (name, b"6.6.6.6")]
    for peer, kept in (("192.0.2.1", False), ("10.0.0.1", b"_" not in name)):
        fields, _, _ = Forwarding(TRUSTING).apply(said, peer=peer, scheme="http", host=HOST)
        assert ((name, b"6.6.6.6") in fields) is kept


@given(
    st.text(alphabet='for=6.;,"\\ \thostx', max_size=40),
    st.sampled_from([b"for=192.0.2.1", b'for=192.0.2.1;host="a:1";proto=http']),
    st.booleans(),
)
@example('for=6.6.6.6;x="', b'for=192.0.2.1;host="a:1";proto=http', False)
@example('for=6.6.6.6;x="\\', b'for=192.0.2.1;host="a:1";proto=http', False)
def test_nobody_can_be_someone_else_through_a_trusted_proxy(
    sent: str, added: bytes, apart: bool
) -> None:
    """The proxy adds an element behind what its client sent, or a line of its own."""
    said = [(b"Forwarded", sent.encode()), (b"Forwarded", added)]
    if not apart:
        said = [(b"Forwarded", b"%b, %b" % (sent.encode(), added))]
    _, client, _ = Forwarding(TRUSTING).apply(said, peer="10.0.0.1", scheme="http", host=HOST)
    assert client in ("192.0.2.1", "10.0.0.1")
