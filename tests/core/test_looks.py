"""Files on a disk that may stand still."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from proxy.core import looks as module
from proxy.core.looks import Looks


class Disk:
    """Stands still until it goes on."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.looks = 0

    def look(self) -> None:
        self.looks += 1
        self.goes_on.wait()


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.goes_on.set()


async def test_a_look_is_waited_for_and_the_next_one_is_another(disk: Disk) -> None:
    disk.goes_on.set()
    looks = Looks(disk.look)
    for times in (1, 2):
        await looks.look()
        assert (disk.looks, looks.under_way) == (times, False)


async def test_all_who_want_one_meanwhile_share_it(disk: Disk) -> None:
    looks = Looks(disk.look)
    asking = [asyncio.create_task(looks.look()) for _ in range(3)]
    await asyncio.sleep(0)
    disk.goes_on.set()
    await asyncio.gather(*asking)
    assert disk.looks == 1


async def test_a_disk_that_stands_still_keeps_nobody(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    looks = Looks(disk.look)
    async with asyncio.timeout(30):
        for _ in range(3):
            await looks.look()
            assert looks.under_way
        assert disk.looks == 1
        disk.goes_on.set()
        while looks.under_way:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.001)


async def test_what_a_look_raises_is_told() -> None:
    looks = Looks(lambda: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await looks.look()


async def test_where_no_thread_can_be_started_what_is_known_has_to_do(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every TLS handshake was refused."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    looks = Looks(disk.look)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        await looks.look()
    disk.goes_on.set()
    await looks.look()
    assert disk.looks == 1
