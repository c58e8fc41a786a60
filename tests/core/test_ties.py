"""The connections that belong to one client."""

from proxy.core.ties import Ties


class Connection:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_what_waits_for_a_client_is_closed_once_with_it() -> None:
    ties, one, other = Ties(), Connection(), Connection()
    ties.held = {"a": ("server-1", one), "b": ("server-2", other)}
    assert ties.servers == {"server-1", "server-2"}
    assert not ties.forget("a", other)
    assert ties.forget("b", other)
    ties.close()
    ties.close()
    assert (one.closed, other.closed) == (1, 0)
    assert ties.closed
    assert not ties.servers


def test_a_connection_that_names_its_client_ends_with_it_and_ties_it_to_no_server() -> None:
    ties, one, other = Ties(), Connection(), Connection()
    ties.introduced["pool"] = (b"PROXY", one)
    ties.introduced["other"] = (b"PROXY", other)
    assert ties.servers == set()
    assert not ties.held
    assert ties.forget("pool", one)
    assert not ties.forget("pool", one)
    ties.close()
    assert (one.closed, other.closed) == (0, 1)
    assert ties.transport is None
