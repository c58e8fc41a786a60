"""Addresses in requests, in the words of the upstream."""

import pytest

from proxy.core.exchange import Exchange
from proxy.http.grammar import Malformed
from proxy.middleware.rewrite.destinations import DestinationRewriter
from proxy.middleware.rewrite.paths import PathRewriter

SERVER = ("https", "dav.internal:8443")


def rewritten(value: bytes, *servers: tuple[str, str], name: bytes = b"Destination") -> bytes:
    paths = PathRewriter("/dav", "/files")
    rewriter = DestinationRewriter(servers or (SERVER,), paths.apply, "/dav")
    exchange = Exchange(
        "MOVE", b"/dav/a", [(b"X", b"1"), (name, value)], b"/dav/a", host="api.test"
    )
    return rewriter.apply(exchange.headers, exchange)[1][1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"/dav/b%2Fc", b"/files/b%2Fc"),
        (b"/dav/b#part", b"/files/b"),
        (b"http://API.test:80/dav/b?q", b"https://dav.internal:8443/files/b?q"),
        (b"HTTP://api.test:80/dav/b#part", b"https://dav.internal:8443/files/b"),
        (b"http://other.test/dav/b", b"http://other.test/dav/b"),
        (b"//api.test/dav/b", b"//api.test/dav/b"),
        (b"mailto:a", b"mailto:a"),
    ],
)
def test_an_address_on_the_route_s_host_becomes_the_server_s(given: bytes, told: bytes) -> None:
    assert rewritten(given) == told


def test_the_prefix_may_be_spelled_in_any_way() -> None:
    rewriter = DestinationRewriter([SERVER], PathRewriter("/café").apply, "/café")
    exchange = Exchange("MOVE", b"/", [(b"Destination", b"/caf%c3%a9/b")], b"/", host="api.test")
    assert rewriter.apply(exchange.headers, exchange) == [(b"Destination", b"/b")]


def test_an_address_without_a_path_is_the_root_s() -> None:
    rewriter = DestinationRewriter([SERVER], PathRewriter("", "/files").apply)
    exchange = Exchange(
        "MOVE", b"/", [(b"Destination", b"http://api.test?q")], b"/", host="api.test"
    )
    (found,) = rewriter.apply(exchange.headers, exchange)
    assert found[1] == b"https://dav.internal:8443/files/?q"


def test_where_servers_have_names_of_their_own_a_path_is_left() -> None:
    servers = (("http", "a.internal"), ("http", "b.internal"))
    assert rewritten(b"http://api.test/dav/b", *servers) == b"/files/b"
    assert rewritten(b"http://api.test/dav/b", ("http", "")) == b"http://api.test/files/b"


def test_what_is_changed_stays_so_whatever_follows() -> None:
    rewriter = DestinationRewriter([SERVER], PathRewriter("/dav").apply, "/dav")
    fields = [(b"Destination", b"/dav/b"), (b"If", b"<http://other.test/>"), (b"X", b"1")]
    exchange = Exchange("MOVE", b"/dav/a", fields, b"/dav/a", host="api.test")
    assert rewriter.apply(fields, exchange) == [(b"Destination", b"/b"), *fields[1:]]
    assert rewriter.apply(fields[1:], exchange) == fields[1:]


def test_tags_are_rewritten_and_conditions_are_not() -> None:
    value = b'<http://api.test/dav/a> (<urn:uuid:1> ["/dav/b"]) </dav/c> (<x>)'
    told = rewritten(value, name=b"If")
    assert told == (
        b'<https://dav.internal:8443/files/a> (<urn:uuid:1> ["/dav/b"]) </files/c> (<x>)'
    )


@pytest.mark.parametrize("value", [b"/other", b"/davx", b"http://api.test", b"/dav/../x"])
def test_an_address_that_the_route_does_not_reach_is_refused(value: bytes) -> None:
    with pytest.raises(Malformed):
        rewritten(value)


@pytest.mark.parametrize("strip", ["", "/dav"])
def test_what_stands_before_all_paths_is_taken_off_first(strip: str) -> None:
    rewrite = PathRewriter(strip).apply if strip else None
    rewriter = DestinationRewriter([SERVER], rewrite, strip, "/api")
    exchange = Exchange("MOVE", b"/", (), b"/", host="api.test")

    def told(value: bytes) -> bytes:
        return rewriter.apply([(b"Destination", value)], exchange)[0][1]

    assert told(b"/api%b/b%%2Fc" % strip.encode()) == b"/b%2Fc"
    assert told(b"http://api.test/%%61pi%b/b" % strip.encode()).endswith(b":8443/b")
    for outside in (b"/dav/b", b"/api/../b", b"/apiary"):
        with pytest.raises(Malformed):
            told(outside)
