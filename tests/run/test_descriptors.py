"""How many clients the descriptors of a process are enough for."""

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
