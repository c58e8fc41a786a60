"""A ``value_file`` that is written anew is shown without a restart."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.upstream.credentials import CredentialsFile, CredentialsOptions
from tests.support.message import get
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream


def options(path: Path) -> dict[str, Any]:
    return {"credentials": {"value_file": str(path)}}


def turn(path: Path, text: str) -> None:
    """Another file under the same name, at once."""
    (path.parent / "new").write_text(text)
    os.replace(path.parent / "new", path)


async def shown(proxy: Any, upstream: RawUpstream) -> bytes | None:
    assert (await proxy.ask(get(fields=b"Authorization: theirs\r\n"))).status == 200
    return upstream.requests[-1].head.value("Authorization")


async def test_the_next_requests_show_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "token"
    turn(path, "Bearer one\n")
    async with (
        RawUpstream() as upstream,
        proxied(upstream, upstream_options=options(path)) as proxy,
    ):
        assert await shown(proxy, upstream) == b"Bearer one"
        for text in ("Bearer two\n", "Bearer three"):
            turn(path, text)
            async with asyncio.timeout(30):
                while await shown(proxy, upstream) != text.strip().encode():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize("bad", ["", "\n", "Bearer a\nX: b"])
def test_what_cannot_be_shown_changes_nothing(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "token"
    turn(path, "Bearer one\n")
    rotated = CredentialsFile(CredentialsOptions(value_file=str(path)))
    turn(path, bad)
    assert not rotated.changed()
    path.unlink()
    assert not rotated.changed()
    assert rotated.field == (b"Authorization", b"Bearer one")
    turn(path, "Bearer two")
    assert rotated.changed()
    assert rotated.field == (b"Authorization", b"Bearer two")


def test_a_link_that_is_turned_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"Bearer {name}")
    link = tmp_path / "token"
    link.symlink_to("one")
    rotated = CredentialsFile(CredentialsOptions(value_file=str(link)))
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", link)
    assert rotated.changed()
    assert rotated.field[1] == b"Bearer two"


def missing(path: Path) -> None:
    path.unlink()


def a_pipe(path: Path) -> None:
    """Nobody writes into it."""
    path.unlink()
    os.mkfifo(path)


def without_end(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("spoil", [missing, a_pipe, without_end])
def test_what_cannot_be_read_is_said_once_and_waited_for_by_nobody(
    tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    turn(path, "Bearer one")
    rotated = CredentialsFile(CredentialsOptions(value_file=str(path)))
    for _ in range(2):
        spoil(path)
        caplog.clear()
        for _ in range(3):
            looking = threading.Thread(target=rotated.changed, daemon=True)
            looking.start()
            looking.join(30)
            assert not looking.is_alive()
        assert len(caplog.records) == 1
        turn(path, "Bearer two")
        rotated.changed()
        assert rotated.field[1] == b"Bearer two"
