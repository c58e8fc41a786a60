"""What a stored reply is removed by."""

import pytest

from proxy.core.exchange import Exchange
from proxy.middleware.cache.asked import stable_digest
from proxy.middleware.cache.labels import (
    label,
    labels_of,
    labels_of_request,
    named_target,
    sent_label,
    tag_labels,
    url_label,
)

ROUTE = label(b"route", b"/")


def exchange(raw: bytes = b"/a?b", target: bytes | None = None) -> Exchange:
    made = Exchange("GET", raw, (), raw, path="/a", host="A.test")
    made.target = raw if target is None else target
    return made


def found(**tags: list[bytes]) -> set[bytes]:
    fields = {name.replace("_", "-").encode(): values for name, values in tags.items()}
    return {*labels_of(exchange(), ROUTE, b"api"), *tag_labels(fields)}


def test_by_route_path_url_and_tags() -> None:
    named = [(b"path", b"/a"), (b"url", b"http://a.test /a?b")]
    named += [(b"tag", tag) for tag in (b"a", b"b", b"c", b"d")]
    tagged = found(cache_tag=[b"a, b", b""], surrogate_key=[b"c d"])
    assert tagged == {ROUTE, *(label(*each) for each in named)}


def test_every_tag_counts_however_many_and_however_long() -> None:
    tags = [b"t%d" % number for number in range(500)] + [b"x" * 5000]
    assert {label(b"tag", tag) for tag in tags} <= found(surrogate_key=[b" ".join(tags)])
    assert {label(b"tag", tag) for tag in tags} <= found(cache_tag=[b",".join(tags)])


def test_what_is_rewritten_has_a_label_of_its_upstream_too() -> None:
    asked = exchange(b"/api/x", b"/x")
    labels = labels_of_request(asked, b"api")
    assert labels == [
        url_label(asked, "a.test", b"/api/x"),
        sent_label(asked, "a.test", b"/x", b"api"),
    ]
    assert labels[1:] != labels_of_request(asked, b"other")[1:]
    assert len(labels_of_request(exchange(), b"api")) == 1


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"/a?b", b"/a?b"),
        (b"http://a.test/a?b", b"/a?b"),
        (b"http://a.test", b"/"),
        (b"http://a.test?u=/y", b"/?u=/y"),
        (b"HTTPS://a.test:8080/a?u=http://b/c", b"/a?u=http://b/c"),
        (b"*", b"/"),
    ],
)
def test_what_a_client_named(raw: bytes, named: bytes) -> None:
    assert named_target(exchange(raw, b"/")) == named


def test_a_label_is_the_digest_of_its_kind_and_its_value() -> None:
    """Stores that outlive the process have such labels in them."""
    for value in (b"", b"/a", b"x" * 300):
        assert label(b"path", value) == stable_digest(b"path", value)


def test_another_scheme_host_or_target_is_another_url() -> None:
    secure = exchange()
    secure.scheme = "https"
    labels = {
        url_label(exchange(), "a.test", b"/a"),
        url_label(secure, "a.test", b"/a"),
        url_label(exchange(), "b.test", b"/a"),
        url_label(exchange(), "a.test", b"/b"),
        sent_label(exchange(), "a.test", b"/a", b"api"),
        sent_label(secure, "a.test", b"/a", b"api"),
    }
    assert len(labels) == 6
    assert url_label(exchange(), "A.test", b"/a") in labels
