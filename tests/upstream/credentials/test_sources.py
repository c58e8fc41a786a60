"""Where the value of a key comes from."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from proxy.core.redaction import conceal, configured
from proxy.core.secret_file import SecretFile
from proxy.upstream.credentials.options import CredentialsOptions
from proxy.upstream.credentials.sources import ASKED_EVERY, FromFile, Given


async def test_a_value_of_the_configuration_stays() -> None:
    source = Given("main", CredentialsOptions(header="X-Key", value="one"))
    field = await source.ready(0.0)
    assert field == source.key.field == (b"X-Key", b"one")
    assert not source.may_change
    assert not await source.refused(field, 1e9)


def test_a_value_of_the_configuration_is_hidden_for_as_long_as_it_is_used() -> None:
    source = Given("main", CredentialsOptions(value="Bearer of-this-upstream"))
    for number in range(300):
        configured(b"Bearer of-another-%d" % number)
    assert conceal(f"{source.key.name} of-this-upstream") == "main ***"
    del source
    assert conceal("main of-this-upstream") == "main of-this-upstream"


async def test_a_crowd_that_is_refused_has_the_file_looked_at_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("one")
    now = 100.0
    looks: list[float] = []
    changed = SecretFile.changed

    def look(file: Any) -> bool:
        looks.append(now)
        return changed(file)

    monkeypatch.setattr(SecretFile, "changed", look)
    options = CredentialsOptions(header="X-Key", value_file=str(tmp_path / "key"))
    source = FromFile("main", options, lambda: now)
    field = await source.ready(0.0)
    later = 100.0 + 2 * ASKED_EVERY
    for moment in (100.0, 100.0 + ASKED_EVERY / 2, later, later):
        now = moment
        assert not await source.refused(field, 1e9)
    assert looks == [100.0, later]
    (tmp_path / "key").write_text("another")
    now = 103.0
    assert await source.refused(field, 1e9)
    assert await source.refused(field, 1e9)  # there is another one already
    assert looks == [100.0, later, 103.0]
    assert await source.ready(0.0) == source.key.field == (b"X-Key", b"another")


async def test_a_look_that_nobody_asked_for_delays_none_that_a_refusal_asks_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").write_text("one")
    options = CredentialsOptions(header="X-Key", value_file=str(tmp_path / "key"))
    source = FromFile("main", options, lambda: 100.0)
    field = await source.ready(0.0)
    await source.look()
    (tmp_path / "key").write_text("another")
    assert await source.refused(field, 1e9)


async def test_nobody_waits_longer_than_allowed_for_a_disk_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    looks: list[float] = []

    def look(_: Any) -> bool:
        looks.append(now)
        gate.wait(60.0)
        return False

    (tmp_path / "key").write_text("one")
    now = 100.0
    options = CredentialsOptions(header="X-Key", value_file=str(tmp_path / "key"))
    source = FromFile("main", options, lambda: now)
    monkeypatch.setattr(SecretFile, "changed", look)
    field = await source.ready(0.0)
    now = 102.0
    crowd = [source.refused(field, now + 0.05) for _ in range(20)]
    async with asyncio.timeout(30.0):
        assert await asyncio.gather(*crowd) == [False] * 20
    assert looks == [102.0]  # one look for all of them
    gate.set()
    await source.close()


async def test_a_refusal_waits_a_second_at_the_most_for_a_disk_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 was kept from its client for ten seconds."""
    (tmp_path / "key").write_text("one")
    goes_on = threading.Event()
    monkeypatch.setattr(SecretFile, "changed", lambda _: goes_on.wait())
    options = CredentialsOptions(header="X-Key", value_file=str(tmp_path / "key"))
    source = FromFile("main", options, lambda: 100.0)
    field = await source.ready(0.0)
    try:
        async with asyncio.timeout(5):
            assert not await source.refused(field, 110.0)
    finally:
        goes_on.set()
