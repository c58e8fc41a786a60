"""What a stored reply is removed by."""

from typing import Any

from proxy.middleware.cache.asked import Asked, stable_digest
from proxy.middleware.cache.labels import label, labels_of
from tests.support.loop import get

ROUTE = label(b"route", b"/")


def found(*, public: bool = True, owner: Any = (), **tags: list[bytes]) -> set[bytes]:
    asked = Asked(get("/a?b", headers=owner), lambda *_: b"k")
    fields = {name.replace("_", "-").encode(): values for name, values in tags.items()}
    return set(labels_of(asked, fields, ROUTE, public=public))


def test_by_route_path_and_tags() -> None:
    named = [(b"path", b"/a"), (b"path", b"/a?b")]
    named += [(b"tag", tag) for tag in (b"a", b"b", b"c", b"d")]
    tagged = found(cache_tag=[b"a, b", b""], surrogate_key=[b"c d"])
    assert tagged == {ROUTE, *(label(*each) for each in named)}


def test_every_tag_counts_however_many_and_however_long() -> None:
    tags = [b"t%d" % number for number in range(500)] + [b"x" * 5000]
    assert {label(b"tag", tag) for tag in tags} <= found(surrogate_key=[b" ".join(tags)])
    assert {label(b"tag", tag) for tag in tags} <= found(cache_tag=[b",".join(tags)])


def test_what_is_its_owners_alone_is_found_by_its_target() -> None:
    owner = [(b"Cookie", b"a=1")]
    target = label(b"target", b"k")
    assert target in found(owner=owner, public=False)
    assert target not in found(owner=owner)
    assert target not in found(public=False)


def test_a_label_is_the_digest_of_its_kind_and_its_value() -> None:
    """Stores that outlive the process have such labels in them."""
    for value in (b"", b"/a", b"x" * 300):
        assert label(b"path", value) == stable_digest(b"path", value)
