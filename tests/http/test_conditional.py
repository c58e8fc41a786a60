"""Preconditions against a reply that is at hand."""

import pytest

from proxy.http.conditional import (
    entity_tags,
    names_tag,
    not_modified,
    range_applies,
    validators,
    with_tags,
)
from proxy.http.fields import RawHeaders

OLD = b"Sun, 06 Nov 1994 08:49:37 GMT"
NEW = b"Mon, 07 Nov 1994 08:49:37 GMT"
TAGGED: RawHeaders = [(b"ETag", b'"a"'), (b"Last-Modified", OLD)]


def test_tags_are_found_with_and_without_quotes() -> None:
    assert entity_tags([b'"a", W/"b,c",d', b"*"]) == [b'"a"', b'W/"b,c"', b"d", b"*"]


@pytest.mark.parametrize(
    ("asked", "held", "same"),
    [
        ([(b"If-None-Match", b'"a"')], TAGGED, True),
        ([(b"If-None-Match", b'"b", W/"a"')], TAGGED, True),
        ([(b"If-None-Match", b'"b"')], TAGGED, False),
        ([(b"If-None-Match", b"*")], [], True),
        ([(b"If-None-Match", b'"a"')], [], False),
        ([(b"If-None-Match", b'"b"'), (b"If-Modified-Since", NEW)], TAGGED, False),
        ([(b"If-None-Match", b'"a"'), (b"If-Modified-Since", b"x")], TAGGED, True),
        ([(b"If-Modified-Since", OLD)], TAGGED, True),
        ([(b"If-Modified-Since", NEW)], TAGGED, True),
        ([(b"If-Modified-Since", b"Sunday, 06-Nov-94 08:49:37 GMT")], TAGGED, True),
        ([(b"If-Modified-Since", OLD)], [(b"Last-Modified", NEW)], False),
        ([(b"If-Modified-Since", b"yesterday")], TAGGED, False),
        ([(b"If-Modified-Since", NEW)], [(b"Date", OLD)], True),
        ([(b"If-Modified-Since", OLD)], [(b"Date", NEW)], False),
        ([(b"If-Modified-Since", NEW)], [], True),  # received in 1970
        ([], TAGGED, False),
    ],
    ids=range(16),
)
def test_304_is_for_those_who_have_it(asked: RawHeaders, held: RawHeaders, same: bool) -> None:
    assert not_modified(asked, held, 0.0) is same


@pytest.mark.parametrize(
    ("wanted", "held", "counts"),
    [
        (None, [], True),
        (b'"a"', TAGGED, True),
        (b'"b"', TAGGED, False),
        (b'W/"a"', [(b"ETag", b'W/"a"')], False),  # strong comparison
        (OLD, [(b"Last-Modified", OLD), (b"Date", NEW)], True),
        (OLD, [(b"Last-Modified", OLD), (b"Date", OLD)], False),  # may have changed since
        (OLD, [(b"Last-Modified", NEW), (b"Date", NEW)], False),
        (OLD, [(b"Last-Modified", OLD)], False),
        (b"x", TAGGED, False),
    ],
    ids=range(9),
)
def test_a_range_counts_for_the_same_bytes_only(
    wanted: bytes | None, held: RawHeaders, counts: bool
) -> None:
    asked = [] if wanted is None else [(b"If-Range", wanted)]
    assert range_applies(asked, held) is counts


def test_both_validators_are_sent() -> None:
    assert validators(TAGGED) == [(b"If-None-Match", b'"a"'), (b"If-Modified-Since", OLD)]
    assert validators([(b"Last-Modified", b"yesterday")]) == []


OURS = [(b"If-None-Match", b'"old"'), (b"If-Modified-Since", b"x")]


@pytest.mark.parametrize(
    ("ours", "asked", "sent"),
    [
        (OURS, [b'"new"'], b'"old", "new"'),
        (OURS, [b'"a", W/"b"', b'"old"'], b'"old", "a", W/"b"'),
        (OURS, [b'W/"old"'], None),
        (OURS, [b"*"], None),
        (OURS, [b"bare"], None),  # no tag: servers refuse the field for it
        (OURS, [], None),
        (OURS[1:], [b'"new"'], None),
        ([], [b'"new"'], None),
    ],
)
def test_the_tags_of_a_client_are_asked_for_with_ours(
    ours: list[tuple[bytes, bytes]], asked: list[bytes], sent: bytes | None
) -> None:
    found = with_tags(ours, [(b"if-none-match", line) for line in asked])
    if sent is None:
        assert found is ours
    else:
        assert found == [(b"If-None-Match", sent), *ours[1:]]


def test_a_tag_that_a_request_names_is_compared_weakly() -> None:
    asked = [(b"If-None-Match", b'"a", W/"b"')]
    assert names_tag(asked, b'W/"a"')
    assert names_tag(asked, b'"b"')
    assert not names_tag(asked, b'"c"')
