"""TCP sockets to listen on."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from proxy.net.look_ups import LookUps
from proxy.run.reasons import CannotListen
from proxy.run.sockets import tcp
from proxy.run.sockets.listener import Listener
from proxy.run.sockets.tcp import bound_tcp, places
from tests.support.names import system_names


def test_places_of_every_address_are_one() -> None:
    [place] = places("", 0)
    assert place.host in ("::", "0.0.0.0")


@pytest.mark.parametrize(
    ("host", "bound"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("", places("", 0)[0].host)]
)
async def test_an_address_is_bound_without_a_look_up(
    monkeypatch: pytest.MonkeyPatch, host: str, bound: str
) -> None:
    monkeypatch.setattr(tcp, "LOOK_UPS", LookUps(most=0))  # it would wait for ever
    [one] = await bound_tcp(host, 0)
    with one:
        assert one.getsockname()[0] == bound
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        if one.family == socket.AF_INET6:
            alone = one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            assert bool(alone) == bool(host)


async def test_a_name_has_a_socket_for_each_of_its_addresses_or_none() -> None:
    with system_names(two=["127.0.0.1", "127.0.0.2"], one=["127.0.0.1", "192.0.2.1"]):
        made = await bound_tcp("two.test", 0)
        assert [one.getsockname()[0] for one in made] == ["127.0.0.1", "127.0.0.2"]
        for one in made:
            one.close()
        with pytest.raises(OSError, match="assign requested address") as failed:
            await bound_tcp("one.test", 0)
        assert failed.value.errno == errno.EADDRNOTAVAIL


async def test_what_is_listened_on_is_told_as_it_is() -> None:
    with system_names(two=["127.0.0.1", "127.0.0.2"], one=["127.0.0.1"]):
        for asked, told in (
            ("127.0.0.1:0", ["127.0.0.1:{}"]),
            ("[::1]:0", ["[::1]:{}"]),
            ("one.test:0", ["one.test:{}"]),
            ("two.test:0", ["127.0.0.1:{}", "127.0.0.2:{}"]),  # with a port each
            (":0", ["0.0.0.0:{0}", "[::]:{0}"] if places("", 0)[0].dual else ["0.0.0.0:{}"]),
            ("0.0.0.0:0", ["0.0.0.0:{}"]),
            ("[::]:0", ["[::]:{}"]),
        ):
            listener = Listener(asked)
            await listener.open(asyncio.Protocol)
            ports = [int(each.rpartition(":")[2]) for each in listener.addresses]
            assert all(ports)
            expected = [each.format(port) for each, port in zip(told, ports, strict=True)]
            assert listener.addresses == expected
            listener.close()


async def test_without_ipv6_a_name_has_its_ipv4_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    real = tcp.bound

    def without(place: tcp.Place, port: int, *, share: bool) -> socket.socket:
        if place.family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(place, port, share=share)

    monkeypatch.setattr(tcp, "bound", without)
    with system_names(both=["127.0.0.1", "::1"], six=["::1"]):
        [one] = await bound_tcp("both.test", 0)
        one.close()
        with pytest.raises(OSError, match="not supported"):
            await bound_tcp("six.test", 0)


@pytest.mark.parametrize(
    "way", [bound_tcp, lambda host, port: asyncio.to_thread(places, host, port)]
)
async def test_localhost_is_what_there_is_of_it_where_ipv6_is_switched_off(
    way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/etc/hosts of a container has ``::1 localhost`` all the same."""
    real = tcp.bound

    def without(place: tcp.Place, port: int, *, share: bool) -> socket.socket:
        if place.family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return real(place, port, share=share)

    monkeypatch.setattr(tcp, "bound", without)
    with system_names(both=["127.0.0.1", "::1"]):
        [one] = await way("both.test", 0)
        if isinstance(one, socket.socket):
            one.close()


async def test_a_name_that_hangs_keeps_no_other_listener_waiting() -> None:
    with system_names() as names:
        names.hang("a.test", "b.test", "c.test")
        hanging = [
            asyncio.create_task(Listener(f"{name}.test:0").open(asyncio.Protocol))
            for name in ("a", "b", "c")
        ]
        for name in ("a", "b", "c"):
            await names.begun(f"{name}.test")
        listener = Listener("127.0.0.1:0")
        await listener.open(asyncio.Protocol)
        listener.close()
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)


async def test_why_an_address_cannot_be_had_is_said() -> None:
    with system_names():
        with pytest.raises(CannotListen, match=r"no address for the name 'none\.test'"):
            await Listener("none.test:80").open(asyncio.Protocol)
        with pytest.raises(CannotListen, match=r"no interface .* has the address '192\.0\.2\.1'"):
            await Listener("192.0.2.1:0").open(asyncio.Protocol)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(CannotListen, match=f"port {port} is taken"):
                await Listener(f"127.0.0.1:{port}").open(asyncio.Protocol)
