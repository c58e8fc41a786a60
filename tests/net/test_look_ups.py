"""Names are looked up in threads that nobody waits for."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from proxy.net.look_ups import LookUps, connected
from tests.support.names import SystemNames, system_names


@pytest.fixture
def names() -> Iterator[SystemNames]:
    with system_names(a=["127.0.0.2"], b=["127.0.0.3"], c=["127.0.0.4"]) as found:
        yield found


async def found(look_ups: LookUps, host: str) -> list[str]:
    infos = await look_ups.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    return [info[4][0] for info in infos]


def threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "look-up"}


async def test_names_that_hang_keep_no_other_waiting(names: SystemNames) -> None:
    look_ups = LookUps()
    hanging = [f"h{number}.test" for number in range(8)]
    names.hang(*hanging)
    tasks = [asyncio.create_task(found(look_ups, host)) for host in hanging]
    for host in hanging:
        await names.begun(host)
    assert await found(look_ups, "a.test") == ["127.0.0.2"]
    names.release()
    assert await asyncio.gather(*tasks) == [["127.0.0.1"]] * 8


async def test_all_who_ask_share_a_look_up_and_none_ends_it_by_leaving(names: SystemNames) -> None:
    look_ups = LookUps()
    names.hang("a.test")
    first = asyncio.create_task(found(look_ups, "a.test"))
    await names.begun("a.test")
    first.cancel()
    await asyncio.wait((first,))
    assert first.cancelled()
    later = [asyncio.create_task(found(look_ups, "a.test")) for _ in range(3)]
    await asyncio.sleep(0)  # they have asked
    names.release()
    assert await asyncio.gather(*later) == [["127.0.0.2"]] * 3
    assert names.asked == ["a.test"]
    assert await found(look_ups, "a.test") == ["127.0.0.2"]
    assert names.asked == ["a.test"] * 2  # nothing is remembered


async def test_at_the_bound_names_wait_for_a_thread_in_turn(names: SystemNames) -> None:
    look_ups = LookUps(most=1)
    names.hang("a.test")
    first = asyncio.create_task(found(look_ups, "a.test"))
    await names.begun("a.test")
    others = [asyncio.create_task(found(look_ups, host)) for host in ("b.test", "c.test")]
    await asyncio.sleep(0)  # they have asked
    leaves = asyncio.create_task(found(look_ups, "b.test"))
    await asyncio.sleep(0)
    leaves.cancel()
    names.release()
    assert await asyncio.gather(first, *others) == [["127.0.0.2"], ["127.0.0.3"], ["127.0.0.4"]]
    assert names.asked == ["a.test", "b.test", "c.test"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1", "::1"])
async def test_an_address_needs_no_thread(address: str) -> None:
    assert await found(LookUps(most=0), address) in (["127.0.0.1"], ["::1"])
    with pytest.raises(socket.gaierror):
        await found(LookUps(most=0), "1.2.3.4.5")


async def test_what_goes_wrong_is_told(names: SystemNames, monkeypatch: pytest.MonkeyPatch) -> None:
    look_ups = LookUps()
    with pytest.raises(socket.gaierror) as failed:
        await found(look_ups, "unknown.test")
    assert failed.value.errno == socket.EAI_NONAME

    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        with pytest.raises(RuntimeError, match="can't start"):
            await found(LookUps(), "a.test")
    assert await found(look_ups, "a.test") == ["127.0.0.2"]


async def test_a_thread_that_has_nothing_to_do_ends_and_another_one_comes(
    names: SystemNames,
) -> None:
    look_ups, before = LookUps(rest=0), threads()
    for _ in range(3):
        assert await found(look_ups, "a.test") == ["127.0.0.2"]
        for own in threads() - before:
            await asyncio.to_thread(own.join, 60)
            assert not own.is_alive()


def test_the_end_of_the_loop_waits_for_no_look_up(names: SystemNames) -> None:
    names.hang("a.test")

    async def main() -> None:
        task = asyncio.create_task(found(LookUps(), "a.test"))
        await names.begun("a.test")
        task.cancel()

    ended = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    ended.start()
    ended.join(60)
    assert not ended.is_alive()


async def test_the_next_address_is_tried_where_one_does_not_answer(names: SystemNames) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        names.answers["a.test"] = ["127.0.0.9", "127.0.0.1"]
        with await connected("a.test", port) as made:
            assert made.getpeername() == ("127.0.0.1", port)
