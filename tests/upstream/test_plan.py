"""What is kept of an upstream when its options change."""

from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.upstream.options import ServerEntry, UpstreamOptions
from proxy.upstream.plan import Plan, Server
from proxy.upstream.session import Session


def options(*servers: str | ServerEntry, **others: Any) -> UpstreamOptions:
    return UpstreamOptions(name="api", servers=servers, **others)


def planned(first: UpstreamOptions, second: UpstreamOptions) -> tuple[Plan, Plan]:
    session = Session()
    before = Plan(first, session)
    return before, Plan(second, session, before)


async def test_servers_with_one_url_are_told_apart_by_their_number() -> None:
    plan = Plan(options("http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.1"), Session())
    assert list(plan.entries) == [
        Server("http://10.0.0.1", 0),
        Server("http://10.0.0.2", 0),
        Server("http://10.0.0.1", 1),
    ]


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (options("http://a"), options("http://a", "http://b"), True),
        (options("http://a"), options("http://a", dns_ttl=Duration(1)), True),
        (options("http://a"), options(ServerEntry(url="http://a", weight=2)), True),
        (options("http://a"), options("http://a", keepalive_timeout=Duration(1)), False),
        (options("http://a"), options("http://a", limit=3), False),
        (options("http://a"), options(ServerEntry(url="http://a", send_proxy="v1")), False),
    ],
)
async def test_how_a_server_is_reached_decides_whether_its_connections_stay(
    first: UpstreamOptions, second: UpstreamOptions, stays: bool
) -> None:
    before, after = planned(first, second)
    server = Server("http://a", 0)
    assert (before.ways[server] == after.ways[server]) is stays


async def test_names_are_looked_up_and_addresses_are_not() -> None:
    plan = Plan(options("http://api.test", "http://10.0.0.1:80"), Session())
    assert plan.names == {Server("http://api.test", 0): "api.test"}
    assert plan.changes
    assert not Plan(options("http://10.0.0.1"), Session()).changes
    assert not Plan(options("http://api.test", dns_ttl=Duration(0)), Session()).changes


async def test_credentials_and_tls_of_before_are_kept_where_nothing_else_is_wanted() -> None:
    before, after = planned(options("https://a"), options("https://a", "https://b"))
    assert after.credentials is before.credentials
    assert after.tls is before.tls
    before, after = planned(options("https://a"), options("https://a", limit=3))
    assert after.credentials is before.credentials
    before, after = planned(options("http://a"), options("https://a"))
    assert after.tls is not before.tls
    assert after.tls.context is not None
