"""How many clients the descriptors of a process are enough for."""

import logging

import pytest

from proxy.run.descriptors import Descriptors


@pytest.mark.parametrize(
    ("limit", "asked", "used", "connections", "scarce"),
    [
        (1 << 20, 10000, 12, 10000, False),
        (20480, 10000, 12, 10000, True),
        (4096, 10000, 12, 2010, True),
        (64, 10000, 12, 22, True),
        (16, 10000, 14, 1, True),
    ],
)
def test_clients_get_what_leaves_a_connection_to_an_upstream_for_each(
    limit: int, asked: int, used: int, connections: int, scarce: bool
) -> None:
    found = Descriptors(limit, used)
    assert (found.connections(asked), found.scarce(asked)) == (connections, scarce)
    assert connections == 1 or used + 2 * connections + found.refused < limit
    assert connections == 1 or used + 2 * connections < found.ceiling < limit


@pytest.mark.parametrize(("limit", "warned"), [(1 << 20, False), (4096, True), (64, True)])
def test_too_few_are_a_warning_that_says_what_to_raise(
    limit: int, caplog: pytest.LogCaptureFixture, *, warned: bool
) -> None:
    """It is nothing to be informed of: clients are closed, or get 503."""
    caplog.set_level(logging.DEBUG)
    Descriptors(limit, 12).warn_if_few(10000)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * warned
    assert all("LimitNOFILE=) to 20076" in message for message in caplog.messages)
