"""Logins that belong to a connection."""

import pytest

from proxy.http.logins import names_login, speaks_of_login


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
