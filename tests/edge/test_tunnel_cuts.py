"""Which end of a tunnel was cut: a mounted proxy tells its client by that alone."""

import asyncio
from typing import Any

import pytest

from proxy.edge.tunnel import Side


class Transport(asyncio.Transport):
    """Of one end, which is told of its end when the test says so."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """As it is told."""

    abort = resume_reading = close


class Connection:
    """Whose transport it is."""

    def take_over(self, _: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        return Transport(), b""


class Tunnel:
    """Hears of both."""

    def side_lost(self, side: Side) -> None:
        """As it is told."""


@pytest.fixture
def ends() -> tuple[Side, Side]:
    """The client's and the upstream's."""
    tunnel: Any = Tunnel()
    made: list[Any] = [Connection(), Connection()]
    client, upstream = (Side(tunnel, each, frames=False, masked=False) for each in made)
    client.other, upstream.other = upstream, client
    for side in (client, upstream):
        side.take_over()
    return client, upstream


def test_one_that_has_ended_in_order_is_not_cut_by_what_comes_behind(
    ends: tuple[Side, Side],
) -> None:
    """What the client was sent is whole, though the upstream did not take its last words."""
    client, upstream = ends
    client.connection_lost(None)
    upstream.connection_lost(ConnectionResetError())
    assert (client.gone, client.was_cut) == (True, False)


def test_one_that_was_cut_stays_so_when_the_tunnel_is_cut_again(ends: tuple[Side, Side]) -> None:
    """As a stop does it, after the upstream's reset."""
    client, upstream = ends
    upstream.connection_lost(ConnectionResetError())
    client.connection_lost(None)
    for side in ends:
        side.cut()
    assert (client.was_cut, upstream.was_cut) == (True, False)
