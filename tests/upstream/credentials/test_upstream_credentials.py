"""All credentials of one upstream."""

from typing import Any, cast

from proxy.upstream.credentials.options import CredentialsOptions
from proxy.upstream.credentials.upstream_credentials import UpstreamCredentials
from proxy.upstream.session import Session


def keys(*names: str, clock: Any) -> UpstreamCredentials:
    tables = tuple(CredentialsOptions(name=name, header="X-Key", value=name) for name in names)
    return UpstreamCredentials(tables, "api", cast(Session, None), clock)


def test_a_health_check_shows_a_key_that_the_upstream_takes() -> None:
    """One that is refused would have all servers taken for broken."""
    now = 100.0
    made = keys("first", "second", clock=lambda: now)
    first, second = made.keys
    assert made.shown() == (first.field,)
    first.refuse(now)
    assert made.shown() == (second.field,)
    second.exceed(5.0, now)
    assert made.shown() == (second.field,)  # its quota is used up, but it is known
    first.renew((b"X-Key", b"another"))
    assert made.shown() == (first.field,)
    first.usable_until = now
    assert made.shown() == (second.field,)
    second.field = None
    assert made.shown() == (first.field,)  # better than none
    first.field = None
    assert made.shown() == ()
