"""``sidecar-proxy drain``, POST /api/drain and /quitquitquit, with a real process."""

import asyncio
import signal
from pathlib import Path

import pytest

from proxy.admin.client import post
from proxy.cli import main
from tests.support.client import RawClient
from tests.support.message import get, length
from tests.support.process import PATIENCE, Process, started
from tests.support.upstream import RawUpstream, closed_port

HOLD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12"


def flags(upstream: RawUpstream, admin: str = "127.0.0.1:0", *sets: str) -> list[str]:
    words = ["run", "--upstream", upstream.url, "--listen", "127.0.0.1:0", "--admin", admin]
    return [*words, *(word for each in sets for word in ("--set", each))]


async def in_flight(process: Process, upstream: RawUpstream) -> RawClient:
    """A client that waits for its reply."""
    client = await process.client()
    await client.send(get())
    async with asyncio.timeout(PATIENCE):
        while not upstream.requests:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return client


async def drained(process: Process, *words: str) -> tuple[int, str]:
    """Exit status and words of ``sidecar-proxy drain``."""
    async with started("drain", "--admin", process.admin, *words) as command:
        said = await command.said()
        return (await command.ended())[0], "\n".join(said)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
async def test_drain_lets_what_is_in_flight_finish(
    unix: bool, workers: int, tmp_path: Path
) -> None:
    go = asyncio.Event()
    admin = f"unix:{tmp_path / 'admin.sock'}" if unix else "127.0.0.1:0"
    upstream = RawUpstream((HOLD, go, b"34"))
    async with upstream, started(*flags(upstream, admin, f"server.workers={workers}")) as process:
        await process.ready()
        client = await in_flight(process, upstream)
        assert await drained(process) == (0, "stopping; requests in flight: 1")
        await process.line("POST /api/drain: stopping")
        code, said = await drained(process)
        assert (code, said) == (2, "it is stopping already, or not ready yet")
        go.set()
        assert (await client.receive()).body == b"1234"
        assert (await process.ended())[0] == 0
        client.close()


async def test_two_at_once_are_one_signal() -> None:
    """A second SIGTERM would cut what is in flight."""
    go = asyncio.Event()
    upstream = RawUpstream((HOLD, go, b"34"))
    async with upstream, started(*flags(upstream)) as process:
        await process.ready()
        client = await in_flight(process, upstream)
        asked = [asyncio.to_thread(post, process.admin, "/api/drain") for _ in range(8)]
        statuses = {said.status for said in await asyncio.gather(*asked)}
        assert statuses <= {200, 409}
        go.set()
        assert (await client.receive()).body == b"1234"
        assert (await process.ended())[0] == 0
        client.close()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("signals", [1, 2])
async def test_one_signal_behind_a_drain_repeats_it_and_a_second_one_ends_at_once(
    signals: int, workers: int
) -> None:
    """A preStop hook drains, and the kubelet sends SIGTERM right behind it: that cut everything."""
    go = asyncio.Event()
    upstream = RawUpstream((HOLD, go, b"34"))
    async with (
        upstream,
        started(*flags(upstream, "127.0.0.1:0", f"server.workers={workers}")) as process,
    ):
        await process.ready()
        client = await in_flight(process, upstream)
        assert (await drained(process))[0] == 0
        await process.line("POST /api/drain: stopping")
        process.process.send_signal(signal.SIGTERM)
        await process.line("SIGTERM: stopping already, for POST /api/drain")
        if signals == 1:
            go.set()
            assert (await client.receive()).body == b"1234"
            assert (await process.ended())[0] == 0
        else:
            process.process.send_signal(signal.SIGTERM)
            await process.line("SIGTERM again")
            assert (await process.ended())[0] == 1
        client.close()


@pytest.mark.parametrize("on", [True, False])
async def test_quitquitquit_is_off_until_it_is_asked_for(on: bool) -> None:
    sets = ("admin.quit=true",) if on else ()
    async with (
        RawUpstream() as upstream,
        started(*flags(upstream, "127.0.0.1:0", *sets)) as process,
    ):
        await process.ready()
        said = await asyncio.to_thread(post, process.admin, "/quitquitquit")
        assert said.status == (200 if on else 404)
        if on:
            assert (await process.ended())[0] == 0
        else:
            assert await process.stopped() == 0


async def test_from_elsewhere_the_token_is_asked_for(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hush\n")
    sets = (f"admin.token_file={token}",)
    async with RawUpstream() as upstream, started(*flags(upstream, "0.0.0.0:0", *sets)) as process:
        await process.ready()
        code, said = await drained(process)
        assert code == 2
        assert "expected Authorization: Bearer TOKEN" in said
        code, said = await drained(process, "--token-file", str(token))
        assert (code, said) == (0, "stopping; requests in flight: 0")
        assert (await process.ended())[0] == 0


def test_where_nobody_listens_the_exit_status_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{closed_port()}"
    assert main(["drain", "--admin", address]) == 1
    said = capsys.readouterr().err
    assert (
        f"no proxy was reached at {address}: Connection refused; a proxy listens there only with "
        "an [admin] table" in said
    )
    assert "SIGTERM does the same, sent to its process: kill -TERM PID" in said
    assert main(["drain", "--admin", f"http://{address}/"]) == 1
    assert "Connection refused" in capsys.readouterr().err


def test_where_an_argument_is_wrong_it_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    """To ask again would not help, as it may where nobody listens yet."""
    address = f"127.0.0.1:{closed_port()}"
    assert main(["drain", "--admin", address, "--token-file", "/nowhere/token"]) == 2
    said = capsys.readouterr().err
    assert "the token in /nowhere/token cannot be read: No such file or directory" in said
    assert "no proxy was reached" not in said  # none was asked
    assert "a proxy listens there" not in said
    assert main(["drain", "--admin", f"https://{address}"]) == 2
    assert f"expected HOST:PORT or unix:PATH, got 'https://{address}'" in capsys.readouterr().err
    assert main(["drain", "--admin", "nonsense"]) == 2
    assert "expected HOST:PORT or unix:PATH, got 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["drain", "reload", "top"])
@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
async def test_what_is_no_admin_listener_is_told_as_such(
    command: str, status: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    async with RawUpstream(["wait-body", length(b"{}", status)]) as upstream:
        address = upstream.url.removeprefix("http://")
        once = ["--once"] if command == "top" else []
        assert await asyncio.to_thread(main, [command, "--admin", address, *once]) == 1
    out, err = capsys.readouterr()
    assert "no admin listener of the proxy answers there; [admin] listen says where" in out + err


def test_every_command_has_an_example_that_its_parser_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    for command in ("run", "check", "init", "explain", "schema", "drain"):
        assert command in listed
        with pytest.raises(SystemExit):
            main([command, "--help"])
        words = " ".join(capsys.readouterr().out.split())
        assert f"example: sidecar-proxy {command}" in words
