"""What is remembered of names that clients choose is bounded in bytes, not only in number.

4,200 anonymous GETs with names of 16 KiB left 62 MiB for good.
"""

import tracemalloc

import pytest

from proxy.core.exchange import Exchange
from proxy.edge.forwarded import Forwarding
from proxy.edge.http1.fast_request_head import FastHeadReader
from proxy.edge.http1.request_head import read_head
from proxy.edge.options import ServerOptions
from proxy.http.bounded_cache import BoundedCache, Memo
from proxy.http.hop_by_hop import end_to_end_request, end_to_end_response

MUCH = 12 << 20
"""Bytes; each of the caches has its share."""


@pytest.mark.parametrize(("size", "heads"), [(500, 5000), (16_000, 1200)])
def test_heads_that_differ_each_time_leave_little(size: int, heads: int) -> None:
    forwarding = Forwarding(())
    reader = FastHeadReader(ServerOptions())
    tracemalloc.start()
    try:
        for number in range(heads):
            name = b"X%d-" % number + b"a" * size
            target = b"/%d?" % number + b"b" * size
            host = b"h%d-" % number + b"c" * size
            data = b"GET %b HTTP/1.1\r\nHost: %b\r\n%b: 1\r\n\r\n" % (target, host, name)
            head = read_head(data)
            assert head.fault is None
            end_to_end_response(head.fields)
            fields, _, _ = forwarding.apply(
                end_to_end_request(head.fields), peer=f"10.0.{number >> 8}.{number & 255}",
                scheme="http", host=host,
            )  # fmt: skip
            exchange = Exchange("GET", target, fields, target, host=host.decode())
            reader.learn(data, exchange, head.fields, "10.0.0.1", "http")
            reader.read(data, "10.0.0.1", "http")
        del data, head, fields, exchange
        assert tracemalloc.get_traced_memory()[0] < MUCH
    finally:
        tracemalloc.stop()


def test_a_cache_starts_again_when_its_room_is_used_up() -> None:
    cache: BoundedCache[int, bytes] = BoundedCache(1000, 100_000)
    for number in range(10_000):
        cache.remember(number, b"x" * 2000, 2000)
        assert number in cache
        assert len(cache) <= 50


def test_what_is_very_large_does_not_push_out_the_rest() -> None:
    cache: BoundedCache[int, bytes] = BoundedCache(1000, 100_000)
    cache.remember(1, b"small", 5)
    cache.remember(2, b"x" * 20_000, 20_000)
    assert list(cache) == [1]


def test_long_keys_of_a_memo_share_its_room() -> None:
    memo = Memo(len, limit=1000)
    for number in range(5000):
        assert memo[b"%500d" % number] == 500
    assert len(memo) < 300


def test_a_head_that_came_over_one_kind_of_listener_is_not_known_on_another() -> None:
    """It carries the scheme that the upstream is told."""
    reader = FastHeadReader(ServerOptions())
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    exchange = Exchange("GET", b"/", [(b"Host", b"a")], b"/", host="a", scheme="http")
    reader.learn(data, exchange, [(b"Host", b"a")], "10.0.0.1", "http")
    assert reader.read(data, "10.0.0.1", "https") is None
    found = reader.read(data, "10.0.0.1", "http")
    assert found is not None
    assert found[0].scheme == "http"
