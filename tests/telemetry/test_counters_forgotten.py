"""What counters are kept of servers and routes, and what is forgotten."""

from itertools import chain

import pytest

from tests.telemetry.test_counters import Counted, ended


def test_servers_without_end_are_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.telemetry.counters.MOST", 2)
    counters = Counted()
    for address in ("http://a", "http://b", "http://c", "http://d", "http://a"):
        exchange = ended("/a", 200)
        exchange.record.upstream, exchange.record.endpoint = "api", address
        exchange.record.first_byte_at = 1.0
        counters.record(exchange, 2.0)
    told = {
        each.labels["endpoint"]: each.value
        for each in counters.describe()
        if each.name == "served_attempts"
    }
    assert told == {"http://a": 2, "http://b": 1, "other": 2}


def test_what_there_is_no_more_is_forgotten() -> None:
    """Reloads may bring ever new routes, upstreams and servers."""
    counters = Counted()

    def count(route: str, upstream: str, server: str) -> None:
        exchange = ended(route, 200)
        exchange.record.upstream, exchange.record.endpoint = upstream, server
        exchange.record.first_byte_at = 1.0
        counters.record(exchange, 2.0)

    for number in range(3):
        count(f"/{number}", "api", "http://a")
        count("/0", f"new-{number}", "http://a")
        count("/0", "api", f"http://{number}")
    counters.record(ended("", 404, "destination_not_found"), 2.0)
    counters.keep({"", "/0", "/1"}, {"": {""}, "api": {"http://a"}})
    told = [*counters.describe(), *chain(*counters.times())]
    assert {each.labels["route"] for each in told if "route" in each.labels} == {"", "/0", "/1"}
    assert {each.labels["upstream"] for each in told if "upstream" in each.labels} == {"", "api"}
    served = [each for each in told if each.name == "served_attempts"]
    assert {each.labels["endpoint"]: each.value for each in served} == {"http://a": 3, "": 1}


def test_servers_that_are_told_as_one_are_not_forgotten_while_their_upstream_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They may stay too: with each reload what they had done was less."""
    monkeypatch.setattr("proxy.telemetry.counters.MOST", 1)
    counters = Counted()
    for server in ("http://a", "http://b", "http://b"):
        exchange = ended("/", 200)
        exchange.record.upstream, exchange.record.endpoint = "api", server
        exchange.record.first_byte_at = 1.0
        counters.record(exchange, 2.0)
    counters.keep({"", "/"}, {"": {""}, "api": {"http://a", "http://b"}})
    served = [each for each in counters.describe() if each.name == "served_attempts"]
    assert {each.labels["endpoint"]: each.value for each in served} == {"http://a": 1, "other": 2}
    counters.keep({"", "/"}, {"": {""}})
    assert [each for each in counters.describe() if each.name == "served_attempts"] == []
