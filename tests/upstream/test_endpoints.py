"""The servers of one upstream, as names and their addresses come and go."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ThreadedResolver

from proxy.core.duration import Duration
from proxy.upstream.credentials.options import CredentialsOptions
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.options import ServerEntry, UpstreamOptions
from proxy.upstream.session import Session
from tests.support.loop import JumpingLoop

TTL = 30


class Names:
    """What a resolver says; an error is raised, and a future is waited for."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str] | OSError | asyncio.Future[list[str]]] = {}
        self.asked = 0

    async def resolve(
        self, _: Any, host: str, port: int = 0, family: int = 0
    ) -> list[dict[str, Any]]:
        self.asked += 1
        answer = self.answers[host]
        if isinstance(answer, OSError):
            raise answer
        if isinstance(answer, asyncio.Future):
            answer = await asyncio.shield(answer)
        return [
            {"hostname": host, "host": ip, "port": port, "family": 10 if ":" in ip else 2}
            for ip in answer
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found = Names()
    monkeypatch.setattr(ThreadedResolver, "resolve", found.resolve)
    return found


@asynccontextmanager
async def endpoints(*servers: str | ServerEntry, **options: Any) -> AsyncIterator[Endpoints]:
    """Open endpoints that look names up every 30 s."""
    table = UpstreamOptions(name="api", servers=servers, **{"dns_ttl": Duration(TTL), **options})
    async with Session() as outside:
        found = Endpoints(table, outside)
        found.open()
        try:
            await asyncio.sleep(1)
            yield found
        finally:
            await found.close()


def urls(found: Endpoints) -> list[str]:
    return [endpoint.name for endpoint in found.members]


async def test_each_address_of_a_name_is_a_server(jumping: JumpingLoop, names: Names) -> None:
    names.answers["api.test"] = ["10.0.0.2", "10.0.0.1"]
    entry = ServerEntry(url="http://api.test:90", weight=2, backup=True)
    async with endpoints("http://10.0.0.9:90", entry) as found:
        assert urls(found) == ["http://10.0.0.9:90", "http://10.0.0.1:90", "http://10.0.0.2:90"]
        last = found.members[-1]
        assert (last.weight, last.backup) == (2, True)
        assert last.address.authority == b"api.test:90"


@pytest.mark.parametrize(
    ("answer", "members"),
    [
        (["10.0.0.1"], ["http://api.test"]),  # one address: the connector tries IPv6 and IPv4
        (["::1", "10.0.0.1"], ["http://api.test"]),
        (["::2", "::1"], ["http://[::1]", "http://[::2]"]),
        (["10.0.0.1", "10.0.0.1"], ["http://api.test"]),
        (OSError("unknown"), ["http://api.test"]),
    ],
)
async def test_a_name_with_one_address_is_asked_for_as_it_is(
    jumping: JumpingLoop, names: Names, answer: Any, members: list[str]
) -> None:
    names.answers["api.test"] = answer
    async with endpoints("http://api.test") as found:
        assert urls(found) == members


async def test_a_change_of_the_name_changes_the_servers(jumping: JumpingLoop, names: Names) -> None:
    names.answers["api.test"] = ["10.0.0.1", "10.0.0.2"]
    async with endpoints("http://api.test") as found:
        first, second = found.members
        told: list[list[str]] = []
        found.on_membership.append(lambda: told.append(urls(found)))
        names.answers["api.test"] = ["10.0.0.2", "10.0.0.3"]
        await asyncio.sleep(TTL)
        assert told == [["http://10.0.0.2", "http://10.0.0.3"]]
        assert found.members[0] is second  # it keeps its connections and its record
        assert first.pool.expires  # what is in use there is closed when it is done
        assert not second.pool.expires
        names.answers["api.test"] = OSError("the resolver is down")
        await asyncio.sleep(TTL)
        assert len(told) == 1
        names.answers["api.test"] = ["10.0.0.3"]
        await asyncio.sleep(TTL)
        assert told[1:] == [["http://api.test"]]


async def test_one_name_that_fails_does_not_keep_another_from_moving(
    jumping: JumpingLoop, names: Names
) -> None:
    names.answers = {"a.test": OSError("gone"), "b.test": ["10.0.0.1", "10.0.0.2"]}
    async with endpoints("http://a.test", "http://b.test") as found:
        assert urls(found) == ["http://a.test", "http://10.0.0.1", "http://10.0.0.2"]


async def test_one_name_that_hangs_does_not_keep_another_from_moving(
    jumping: JumpingLoop, names: Names
) -> None:
    hanging: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    names.answers = {"a.test": hanging, "b.test": ["10.0.0.1", "10.0.0.2"]}
    async with endpoints("http://a.test", "http://b.test") as found:
        assert urls(found) == ["http://a.test", "http://10.0.0.1", "http://10.0.0.2"]
        name, _, stays = found.members
        names.answers["b.test"] = ["10.0.0.2", "10.0.0.3"]
        await asyncio.sleep(TTL)
        assert urls(found) == ["http://a.test", "http://10.0.0.2", "http://10.0.0.3"]
        assert found.members[:2] == (name, stays)
        hanging.set_result(["10.0.0.8", "10.0.0.9"])
        await asyncio.sleep(1)
        assert urls(found)[:2] == ["http://10.0.0.8", "http://10.0.0.9"]
        assert found.members[2] is stays


@pytest.mark.parametrize(
    ("server", "options"),
    [
        ("http://api.test", {"dns_ttl": Duration(0)}),
        ("http://10.0.0.1", {}),
        ("http://[::1]:80", {}),
        ("unix:/run/api.sock", {}),
    ],
)
async def test_what_cannot_change_is_not_looked_up(
    jumping: JumpingLoop, names: Names, server: str, options: dict[str, Any]
) -> None:
    async with endpoints(server, **options) as found:
        await asyncio.sleep(10 * TTL)
        assert (len(found.members), found.changes, names.asked) == (1, False, 0)


async def test_nothing_is_looked_up_after_the_end(jumping: JumpingLoop, names: Names) -> None:
    names.answers["api.test"] = ["10.0.0.1", "10.0.0.2"]
    async with endpoints("http://api.test") as found:
        members = found.members
    await asyncio.sleep(10 * TTL)
    assert names.asked == 1
    assert all(endpoint.pool.expires for endpoint in members)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def options(*servers: str | ServerEntry, **more: Any) -> UpstreamOptions:
    return UpstreamOptions(name="api", servers=servers, **{"dns_ttl": Duration(TTL), **more})


async def test_servers_that_stay_in_other_options_keep_what_they_have(
    jumping: JumpingLoop, names: Names
) -> None:
    a, b, c = "http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3"
    async with endpoints(a, b) as found:
        first, second = found.members
        told: list[list[str]] = []
        found.on_membership.append(lambda: told.append(urls(found)))
        plan = found.prepare(options(c, ServerEntry(url=b, weight=3, backup=True)))
        assert urls(found) == [a, b]  # nothing has changed yet
        found.follow(plan)
        assert told == [[c, b]]
        assert found.members[1] is second
        assert (second.weight, second.full_weight, second.backup) == (3, 3, True)
        assert first.pool.expires
        assert not second.pool.expires


async def test_a_server_that_is_reached_in_another_way_keeps_what_is_known_of_it(
    jumping: JumpingLoop, names: Names
) -> None:
    url = "http://10.0.0.1"
    async with endpoints(url, "http://10.0.0.2") as found:
        before = found.members[0]
        before.set_health(healthy=False)
        before.outcomes[200] += 1
        before.withdraw(withdrawn=True)
        found.follow(found.prepare(options(url, keepalive_timeout=Duration(9))))
        (after,) = found.members
        assert after is not before
        assert after.pool is not before.pool
        assert before.pool.expires
        assert (after.healthy, after.outcomes[200], after.withdrawn) == (False, 1, True)
        found.trust()
        assert after.healthy


async def test_names_are_looked_up_as_the_new_options_say(
    jumping: JumpingLoop, names: Names
) -> None:
    names.answers["api.test"] = ["10.0.0.1", "10.0.0.2"]
    names.answers["other.test"] = ["10.0.1.1", "10.0.1.2"]
    async with endpoints("http://api.test") as found:
        first, second = found.members
        found.follow(found.prepare(options("http://api.test", "http://other.test")))
        await asyncio.sleep(1)
        assert found.members[:2] == (first, second)
        assert urls(found)[2:] == ["http://10.0.1.1", "http://10.0.1.2"]
        found.follow(found.prepare(options("http://10.0.0.9")))
        assert urls(found) == ["http://10.0.0.9"]
        asked = names.asked
        await asyncio.sleep(5 * TTL)
        assert names.asked == asked  # nobody asks for a name that is no more
        plan = found.prepare(options("http://api.test"))
        found.follow(plan)
        await asyncio.sleep(1)
        assert urls(found) == ["http://10.0.0.1", "http://10.0.0.2"]
        for more in ({}, {"keepalive_timeout": Duration(9)}):  # nobody hears of addresses any more
            plan = found.prepare(options("http://api.test", dns_ttl=Duration(0), **more))
            alone = found.alone(plan)
            found.follow(plan)
            assert (urls(found), found.members) == (["http://api.test"], (alone,))


async def test_the_one_server_of_a_plan_is_the_one_that_is_used_later(
    jumping: JumpingLoop, names: Names
) -> None:
    async with endpoints("http://10.0.0.1") as found:
        (first,) = found.members
        assert found.alone() is first
        assert found.alone(found.prepare(options("http://10.0.0.1", dns_ttl=Duration(1)))) is first
        plan = found.prepare(options("http://10.0.0.2"))
        alone = found.alone(plan)
        assert found.members == (first,)
        found.follow(plan)
        assert found.members == (alone,)
        assert found.alone(found.prepare(options("http://10.0.0.1", "http://10.0.0.2"))) is None
        assert found.alone(found.prepare(options("http://api.test"))) is None


async def test_credentials_from_a_pipe_are_read_once_for_all_servers(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"Bearer piped\n",), daemon=True)
    writer.start()
    credentials = CredentialsOptions(value_file=str(path))
    servers = ("http://10.0.0.1", "http://10.0.0.2")
    table = UpstreamOptions(name="api", servers=servers, credentials=credentials)
    async with Session() as outside:
        found = Endpoints(table, outside)
        assert found.credentials.shown() == ((b"Authorization", b"Bearer piped"),)
        assert not found.credentials.may_change
    writer.join(30)


async def test_an_address_that_does_not_come_back_is_forgotten(
    jumping: JumpingLoop, names: Names
) -> None:
    names.answers["api.test"] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    async with endpoints("http://api.test") as found:
        gone = found.members[0]
        names.answers["api.test"] = ["10.0.0.2", "10.0.0.3"]
        await asyncio.sleep(TTL)
        assert found.away == (gone,)
        await asyncio.sleep(20 * TTL)
        assert not found.away


async def test_health_checks_take_no_connection_of_a_limit(
    jumping: JumpingLoop, names: Names
) -> None:
    """Else a server all of whose connections are in use would be taken for a sick one."""
    async with endpoints("http://10.0.0.1", limit=1) as found:
        (member,) = found.members
        assert member.check_pool is not member.pool
        assert member.pool.try_idle() is None
        assert (member.pool.permits is None, member.check_pool.permits is None) == (False, True)
    async with endpoints("http://10.0.0.1") as found:
        (member,) = found.members
        assert member.check_pool is member.pool
