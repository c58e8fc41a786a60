"""What a browser asks before the request of a page."""

import pytest

from proxy.http.fields import RawHeaders
from proxy.http.preflight import preflight

ORIGIN = (b"Origin", b"https://app.test")
PUT = (b"Access-Control-Request-Method", b"PUT")
NAMED = (b"Access-Control-Request-Headers", b"X-Tenant,authorization")


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("GET", (ORIGIN, PUT)),
        ("OPTIONS", (ORIGIN,)),
        ("OPTIONS", (PUT,)),
        ("OPTIONS", (ORIGIN, ORIGIN, PUT)),
        ("OPTIONS", ((b"Origin", b""), PUT)),
    ],
)
def test_other_requests_are_none(method: str, fields: RawHeaders) -> None:
    assert preflight(method, fields) is None


def test_it_says_what_is_to_come() -> None:
    asked = preflight("OPTIONS", (ORIGIN, PUT, NAMED))
    assert asked is not None
    assert (asked.origin, asked.method) == (b"https://app.test", b"PUT")
    assert asked.wanted == b"X-Tenant,authorization"


@pytest.mark.parametrize(
    ("name", "value", "may"),
    [
        (b"x-tenant", None, True),
        (b"x-tenant", b"acme", True),  # no preflight tells a value
        (b"authorization", b"Bearer x", True),
        (b"x-other", None, False),
        (b"cookie", None, True),  # which a browser does not name
        (b"content-type", b"text/plain", True),
        (b"user-agent", b"Browser", True),  # its own, which it sends with both
        (b"user-agent", b"Other", False),
        (b"origin", None, True),
    ],
)
def test_it_tells_which_fields_may_follow(name: bytes, value: bytes | None, *, may: bool) -> None:
    asked = preflight("OPTIONS", (ORIGIN, PUT, NAMED, (b"User-Agent", b" Browser ")))
    assert asked is not None
    assert asked.may_follow_with(name, value) is may
