"""All credentials of one upstream."""

from typing import Any, cast

import pytest

from proxy.upstream.credentials.options import CredentialsOptions
from proxy.upstream.credentials.sources import Given
from proxy.upstream.credentials.upstream_credentials import UpstreamCredentials
from proxy.upstream.session import Session


def keys(*names: str, clock: Any) -> UpstreamCredentials:
    tables = tuple(CredentialsOptions(name=name, header="X-Key", value=name) for name in names)
    return UpstreamCredentials(tables, "api", cast(Session, None), clock)


async def test_keys_that_stay_in_another_list_keep_what_is_known_of_them() -> None:
    now = 100.0
    before = keys("first", "second", "third", clock=lambda: now)
    before.keys[0].refuse(now)
    before.keys[1].exceed(30.0, now)
    tables = tuple(
        CredentialsOptions(name=name, header="X-Key", value=value)
        for name, value in (("new", "new"), ("second", "second"), ("first", "other"))
    )
    after = UpstreamCredentials(tables, "api", cast(Session, None), lambda: now, before)
    new, second, first = after.keys
    assert second is before.keys[1]
    assert [key.blocked_for(now) for key in (new, second, first)] == [0.0, 30.0, 0.0]
    assert (await after.ready(first, now))[1] == b"other"
    assert await before.ready(before.keys[0], now) == (b"X-Key", b"first")  # for who still has it


async def test_only_what_does_not_go_on_in_others_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    async def close(source: Given) -> None:
        ended.append(source.key.name)

    monkeypatch.setattr(Given, "close", close)
    before = keys("gone", "stays", clock=lambda: 0.0)
    tables = (CredentialsOptions(name="stays", header="X-Key", value="stays"),)
    after = UpstreamCredentials(tables, "api", cast(Session, None), lambda: 0.0, before)
    before.leave_to(after)
    await before.close()
    assert ended == ["gone"]
    await after.close()
    assert ended == ["gone", "stays"]


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
