"""What an unsafe request makes invalid."""

import pytest

from proxy.core.exchange import Exchange
from proxy.middleware.cache.invalidation import invalidated, targets
from proxy.middleware.cache.labels import sent_label, url_label


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        (b"/b", b"/b"),
        (b"b?c=%2F", b"/dir/b?c=%2F"),
        (b"/b?", b"/b?"),
        (b"/b?#c", b"/b?"),
        (b"/b?c?", b"/b?c?"),
        (b"http://a.test/b", b"/b"),
        (b"http://A.test:80/b", b"/b"),
        (b"//a.test/b", b"/b"),
        (b"http://b.test/b", None),
        (b"https://a.test/b", None),
        (b"http://a.test:81/b", None),
        (b"http://[/", None),
        (b"", None),
        (b"\xff", b"/dir/\xff"),
    ],
    ids=range(14),
)
@pytest.mark.parametrize("name", [b"Location", b"content-location"])
def test_its_own_target_and_what_it_names_of_the_same_origin(
    name: bytes, reference: bytes, target: bytes | None
) -> None:
    exchange = Exchange("POST", b"/dir/a?x", (), b"/dir/a?x", host="a.test")
    found = targets(exchange, [(name, reference)])
    assert list(found) == ([] if target in (None, exchange.target) else [target])


@pytest.mark.parametrize("method", ["COPY", "MOVE", "POST"])
@pytest.mark.parametrize("reference", [b"http://a.test/b", b"/b", b"http://up.test/b"])
def test_what_is_copied_or_moved_changes_its_destination(method: str, reference: bytes) -> None:
    fields = [(b"destination", reference)]
    exchange = Exchange(method, b"/a", fields, b"/a", host="a.test")
    found = set(invalidated(exchange, (), b"up", ["http://up.test"]))
    changed = {sent_label(exchange, host, b"/b", b"up") for host in ("a.test", "a.test:80")}
    assert found >= changed if method != "POST" else not found & changed


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        (b"/api/b?c", b"/b?c"),
        (b"/api", b"/"),
        (b"/api?c", b"/?c"),
        (b"http://a.test/api//b", b"//b"),
        (b"/apiary", None),
        (b"/b", None),
    ],
)
def test_what_it_names_below_the_mount_is_known_without_it(
    reference: bytes, target: bytes | None
) -> None:
    exchange = Exchange("POST", b"/a", (), b"/a", host="a.test")
    fields = [(b"Location", reference)]
    found = set(invalidated(exchange, fields, b"up", mount=b"/api"))
    hosts = ("a.test", "a.test:80") if target else ()
    more = {url_label(exchange, host, target or b"") for host in hosts}
    more |= {sent_label(exchange, host, target or b"", b"up") for host in hosts}
    assert found - set(invalidated(exchange, fields, b"up")) == more


def test_a_host_that_is_none_names_nothing() -> None:
    exchange = Exchange("POST", b"/a", (), b"/a", host="[")
    assert not targets(exchange, [(b"Location", b"/b")])


@pytest.mark.parametrize(
    ("scheme", "host", "hosts"),
    [
        ("http", "a.test", {"a.test", "a.test:80"}),
        ("http", "a.test:80", {"a.test", "a.test:80"}),
        ("http", "a.test:443", {"a.test:443"}),
        ("https", "a.test:443", {"a.test", "a.test:443"}),
        ("http", "[::1]", {"[::1]", "[::1]:80"}),
        ("http", "[::1]:8080", {"[::1]:8080"}),
    ],
)
def test_the_port_that_is_meant_without_one_is_the_same_origin(
    scheme: str, host: str, hosts: set[str]
) -> None:
    exchange = Exchange("POST", b"/a", (), b"/a", host=host, scheme=scheme)
    assert set(invalidated(exchange, (), b"api")) == {
        of(exchange, each, b"/a") for each in hosts for of in (url_label, sent)
    }


def sent(exchange: Exchange, host: str, target: bytes) -> bytes:
    return sent_label(exchange, host, target, b"api")


def test_a_url_counts_as_its_client_named_it_and_as_it_was_sent() -> None:
    exchange = Exchange("POST", b"/api/a", (), b"/api/a", host="a.test:81")
    exchange.target = b"/a"
    found = set(invalidated(exchange, [(b"Location", b"/b")], b"api"))
    assert found == {
        url_label(exchange, exchange.host, b"/api/a"),
        *(of(exchange, exchange.host, each) for each in (b"/a", b"/b") for of in (url_label, sent)),
    }


def test_a_reply_may_name_its_upstream() -> None:
    exchange = Exchange("POST", b"/a", (), b"/a", host="a.test")
    fields = [(b"Location", b"http://origin:9000/b"), (b"Content-Location", b"http://other/c")]
    assert list(targets(exchange, fields, ["http://origin:9000"])) == [b"/b"]
