"""By which fields a route is chosen."""

import pytest

from proxy.edge.route_fields import is_told, route_fields


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"X-Client-Cert-Subject", True),
        (b"client_cert", True),
        (b"X_Forwarded_Proto", True),
        (b"Forwarded", True),
        (b"X-Real-IP", True),
        (b"SCRIPT_NAME", True),
        (b"Path_Info", True),
        (b"Script-Name", False),
        (b"X-Tenant", False),
        (b"Upgrade", False),
    ],
)
def test_what_the_proxy_says_itself_is_told_by_nobody_else(name: bytes, told: bool) -> None:
    assert is_told(name) is told
    raw, own = [(name, b"client"), (b"A", b"1")], [(name, b"proxy"), (b"B", b"2")]
    expected = [(b"A", b"1"), (name, b"proxy")] if told else raw
    assert route_fields(raw, own) == expected
