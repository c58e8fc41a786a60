"""What a client would rather have."""

import pytest

from proxy.http.accept import prefers_events, ranges, takes_gzip

EVENTS = "text/event-stream"
ACCEPTS = [
    # the Accept fields, whether events are preferred to all else
    ([], False),
    (["*/*"], False),
    ([EVENTS], True),
    (["TEXT/Event-Stream ; charset=utf-8"], True),
    ([f"application/json, {EVENTS}"], False),
    ([f"{EVENTS}, application/json"], False),
    ([EVENTS, "application/json"], False),
    ([f"{EVENTS}, application/json;q=0.9"], True),
    ([f"{EVENTS};q=0.9, application/json"], False),
    ([f"{EVENTS};q=0.9", "application/json; q=0.5"], True),
    ([f"{EVENTS}, */*;q=0.1"], True),
    ([f"{EVENTS}, */*"], False),
    ([f"{EVENTS}, text/*"], False),
    ([f"{EVENTS}, application/json;q=0"], True),
    ([f"{EVENTS};q=0"], False),
    ([f"{EVENTS};q=0.000, */*;q=0"], False),
    ([f"{EVENTS};Q=0.5, text/html;Q=0.4"], True),
    ([f"{EVENTS};q=0.5 , text/html ; q=0.501"], False),
    ([f'application/json;profile="a, {EVENTS}"'], False),
    ([f'{EVENTS};a="x;q=0";q=1, application/json;a="\\",;q=1";q=0.1'], True),
    ([f",, ,{EVENTS},"], True),
    (["text/event-streams"], False),
    ([f"x{EVENTS}"], False),
    ([f'"{EVENTS}'], False),
]


@pytest.mark.parametrize(("values", "preferred"), ACCEPTS)
def test_events_are_preferred_where_nothing_else_weighs_as_much(
    values: list[str], preferred: bool
) -> None:
    fields = [(b"aCCept", value.encode()) for value in values]
    assert prefers_events([(b"X", b"text/event-stream"), *fields]) is preferred


def test_quoted_commas_and_semicolons_separate_nothing() -> None:
    value = b'a/b;x="1,2;q=0.1";q=0.5, c/d;y="\\",e/f"'
    assert list(ranges([(b"Accept", value)])) == [(b"a/b", 0.5), (b"c/d", 1.0)]


@pytest.mark.parametrize("value", [b";", b"; ;", b";q=1", b" ;a=b", b";;,;,c/d,;"])
def test_parameters_of_nothing_name_nothing(value: bytes) -> None:
    named = [(b"c/d", 1.0)] if b"c/d" in value else []
    assert list(ranges([(b"Accept", value)])) == named


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5, br", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("GZIP; q=0.0", False),
        ("identity, gzip;q=0.000", False),
        ("*;q=0, identity", False),
        ("*, gzip;q=0", False),
        ("gzip;q=0.5, identity", False),
        ("gzip, identity", True),
        ("identity;q=0.5, *;q=0.8", True),
        ("xgzip, gzipped", False),
    ],
)
def test_gzip_is_taken_by_its_weight(value: str, taken: bool) -> None:
    assert takes_gzip([(b"Accept-Encoding", value.encode())]) is taken
