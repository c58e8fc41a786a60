"""Hop-by-hop fields stay behind, everything else goes through as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.hop_by_hop import (
    FRAMING,
    HOP_BY_HOP,
    PROTECTED,
    bears_mark,
    end_to_end_request,
    end_to_end_response,
    marked,
    seen_by,
    via,
)

Fields = list[tuple[bytes, bytes]]

PLAIN: Fields = [
    (b"Accept", b"*/*"),
    (b"X-Two", b"1"),
    (b"x-tWO", b"caf\xe9"),
    (b"Set-Cookie", b"a=1"),
    (b"Set-Cookie", b"b=2"),
    (b"X-Empty", b""),
    (b"Expect", b"100-continue"),
]


def spelled(name: bytes, how: int) -> bytes:
    return (name, name.upper(), name.title())[how % 3]


names = st.text("abcXYZ0-_", min_size=1, max_size=6).map(lambda text: b"q" + text.encode())
others = st.lists(st.tuples(names, st.binary(max_size=6)), max_size=8)


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | FRAMING))
@pytest.mark.parametrize("how", range(3))
def test_requests_lose_hop_by_hop_fields_and_framing(name: bytes, how: int) -> None:
    raw = [*PLAIN[:3], (spelled(name, how), b"x"), *PLAIN[3:]]
    assert end_to_end_request(raw) == PLAIN


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | {b"content-length"}))
@pytest.mark.parametrize("how", range(3))
def test_replies_lose_hop_by_hop_fields_and_framing(name: bytes, how: int) -> None:
    raw = [*PLAIN[:3], (spelled(name, how), b"x"), *PLAIN[3:]]
    assert end_to_end_response(raw) == PLAIN


@pytest.mark.parametrize(
    ("connection", "gone"),
    [
        ([b"keep-alive"], set()),
        ([b"close"], set()),
        ([b"x-two"], {b"x-two"}),
        ([b"close, X-Two"], {b"x-two"}),
        ([b" ,, x-two\t,"], {b"x-two"}),
        ([b"close", b"x-empty", b"X-TWO"], {b"x-two", b"x-empty"}),
        ([b"accept, x-empty"], {b"x-empty"}),
        ([b"x-t", b"two", b"x-two;q=1", b'"x-two"', b""], set()),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_every_token_of_every_connection_field_counts(
    connection: list[bytes], gone: set[bytes], last: bool
) -> None:
    options = [(b"Connection", value) for value in connection]
    expected = [field for field in PLAIN if field[0].lower() not in gone]
    for filtered in (end_to_end_request, end_to_end_response):
        assert filtered([*PLAIN, *options] if last else [*options, *PLAIN]) == expected


@pytest.mark.parametrize(
    "name",
    [
        *(b"Authorization", b"Cookie", b"Content-Type", b"X-Request-Id", b"traceparent", b"Via"),
        *(
            b"Forwarded",
            b"X-Forwarded-For",
            b"X-Forwarded-Anything",
            b"Cache-Control",
            b"Set-Cookie",
        ),
        *(b"Client-Cert", b"Client-Cert-Chain", b"X-Client-Cert-Subject"),
    ],
)
def test_connection_cannot_name_what_is_meant_for_everybody(name: bytes) -> None:
    raw = [(b"Connection", b"close, " + name.upper()), (name, b"kept")]
    assert end_to_end_request(raw) == [(name, b"kept")]
    # The id of a reply is ours; the upstream's own goes on under another name.
    shown = b"X-Upstream-Request-Id" if name == b"X-Request-Id" else name
    assert end_to_end_response(raw) == [(shown, b"kept")]


@pytest.mark.parametrize("name", [b"Host", b"Content-Length"])
def test_framing_is_never_the_clients_to_take_away(name: bytes) -> None:
    assert name.lower() in PROTECTED


@given(others, st.lists(st.sampled_from(sorted(PROTECTED | {b"x-forwarded-for"})), max_size=5))
def test_connection_never_removes_protected_fields(some: Fields, named: list[bytes]) -> None:
    fields = [*some, *((name, b"v") for name in named if name not in FRAMING)]
    assert end_to_end_request([*fields, (b"Connection", b",".join(named))]) == fields


@given(others, st.lists(names, max_size=4))
def test_fields_that_go_through_keep_order_case_and_bytes(some: Fields, named: list[bytes]) -> None:
    gone = {name.lower() for name in named}
    raw = [(b"connection", b" , ".join(named)), *some, (b"TE", b"trailers")]
    expected = [field for field in some if field[0].lower() not in gone]
    assert end_to_end_request(raw) == end_to_end_response(raw) == expected


@pytest.mark.parametrize(("version", "value"), [((1, 1), b"1.1 "), ((1, 0), b"1.0 ")])
def test_via_tells_the_version_that_came_in(version: tuple[int, int], value: bytes) -> None:
    assert via("00c0ffee", version) == value + b"sidecar-proxy-00c0ffee"


@pytest.mark.parametrize(
    ("values", "looping"),
    [
        ([], False),
        ([b"1.1 sidecar-proxy-00c0ffee"], True),
        ([b"1.0 other, 1.1\tsidecar-proxy-00c0ffee (it)"], True),
        ([b"1.1 other", b"HTTP/1.1  sidecar-proxy-00c0ffee,1.1 x"], True),
        ([b"1.1 sidecar-proxy-00c0ffe0"], False),
        ([b"1.1 sidecar-proxy-00c0ffee0"], False),
        ([b"1.1 x-sidecar-proxy-00c0ffee"], False),
        ([b"1.1 other (sidecar-proxy-00c0ffee)"], False),
        ([b"sidecar-proxy-00c0ffee"], False),
        ([b""], False),
    ],
)
def test_only_this_very_instance_is_a_loop(values: list[bytes], looping: bool) -> None:
    fields = [(b"Host", b"1.1 sidecar-proxy-00c0ffee"), *((b"vIa", value) for value in values)]
    assert seen_by(fields, "00c0ffee") is looping


def test_the_mark_in_place_of_via_is_this_instances_alone() -> None:
    fields = marked(marked([(b"Via", b"00c0ffee")], "0badcafe"), "1badcafe")
    assert bears_mark(fields, "0badcafe")
    assert bears_mark(fields, "1badcafe")
    assert not bears_mark(fields, "00c0ffee")
    assert not bears_mark(fields, "badcafe")
