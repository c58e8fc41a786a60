"""Logins that belong to a connection."""

import pytest

from proxy.http.logins import Ties, names_login, speaks_of_login


@pytest.mark.parametrize(
    ("name", "value", "yes"),
    [
        (b"www-authenticate", b"NTLM", True),
        (b"www-authenticate", b"Basic realm=x, Negotiate", True),
        (b"authorization", b"negotiate YII=", True),
        (b"authorization", b"Bearer ntlm-is-a-word", False),
        (b"authorization", b"Bearer t", False),
        (b"proxy-authenticate", b"Kerberos", True),
        (b"proxy-support", b"Session-Based-Authentication", True),
        (b"persistent-auth", b"true", True),
        (b"persistent-auth", b" False ", False),
        (b"x-ntlm", b"ntlm", False),
    ],
)
def test_a_field_speaks_of_a_login_or_does_not(name: bytes, value: bytes, yes: bool) -> None:
    assert names_login(name, value) is yes
    assert speaks_of_login([(b"A", b"1"), (name.title(), value)]) is yes


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
