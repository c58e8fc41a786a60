"""What ``sidecar-proxy top`` shows."""

import asyncio
import socket
from typing import Any

import pytest

from proxy.admin import top
from proxy.cli import main
from tests.support.message import get
from tests.support.proxy import dialled, fronted
from tests.support.upstream import Script, closed_port

BUSY: Script = ["wait-body", b"HTTP/1.1 500 Busy\r\nContent-Length: 4\r\n\r\nbusy"]
SILENT: Script = ["hold"]


async def _printed(*words: str) -> int:
    return await asyncio.to_thread(main, ["top", "--once", *words])


async def test_it_shows_what_is_wrong_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    tables: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}, "concurrency": {}}
    async with dialled(BUSY, SILENT, retry=False, **tables) as (upstream, proxy, client):
        await proxy.ask(get("/first%1B[2J"))
        await client.send(get("/held"))
        server = upstream.url.removeprefix("http://")
        async with asyncio.timeout(30):
            while "! answer since" not in (  # noqa: ASYNC110 - it is polled by design
                out := await _shown(proxy.runtime.admin, capsys)
            ):
                await asyncio.sleep(0.1)
        assert out.startswith(f"{proxy.runtime.admin}  0.0 calls/s  100.0 % failed  1 in flight")
        assert "The upstream answers with errors: api" in out
        assert f"api ({server})" in out
        assert "api: 1 of 1024 requests, 0 wait" in out
        assert "GET /held" in out.partition("IN FLIGHT")[2]
        assert "GET /first%1B[2J" in out.partition("SLOW OR FAILED")[2]
        assert f"api ({server}) answered 500" in out


async def _shown(address: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert await _printed("--admin", address) == 0
    return capsys.readouterr().out


async def test_several_proxies_are_shown_and_one_is_not_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nobody = f"127.0.0.1:{closed_port()}"
    async with fronted(admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        assert await _printed("--admin", nobody, "--admin", proxy.runtime.admin) == 0
        out = capsys.readouterr().out
        assert f"{nobody}: not reached: Connection refused\n" in out
        assert f"{proxy.runtime.admin}  0.0 calls/s  - failed  0 in flight" in out
        assert "all is well" in out
    assert await _printed("--admin", nobody) == 1


async def test_a_proxy_that_refuses_is_told_from_one_that_is_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses to be asked by a name that is not in ``[admin] hosts``."""
    found = socket.getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda host, *more: found("127.0.0.1" if host == "machine" else host, *more),
    )
    nobody = f"127.0.0.1:{closed_port()}"
    async with fronted(admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        refusing = proxy.runtime.admin.replace("127.0.0.1", "machine")
        assert await _printed("--admin", nobody, "--admin", refusing) == 2
        said = capsys.readouterr()
        assert f"{refusing}: refused: /api/causes: 403, " in said.out
        assert f"{nobody}: not reached: Connection refused\n" in said.out
        assert "no proxy was reached" not in said.err
        assert await _printed("--admin", refusing, "--admin", proxy.runtime.admin) == 0


async def test_an_address_that_is_none_is_a_wrong_argument(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await _printed("--admin", "nowhere") == 2
    said = capsys.readouterr()
    assert "expected HOST:PORT" in said.out
    assert not said.err


def test_control_characters_do_not_reach_the_terminal() -> None:
    line = top.Line("a\x1b[2Jb\r\n\x9bc", "\33[31m")
    assert top._dressed(line, 80, colours=False) == "a?[2Jb???c"
    assert top._dressed(line, 4, colours=True) == "\33[31ma?[2\33[0m"


def test_it_goes_on_until_it_is_told_to_stop(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[float] = []

    def sleep(seconds: float) -> None:
        times.append(seconds)
        if len(times) == 3:
            raise KeyboardInterrupt

    looks = iter([0, 1, 0, 0])  # it restarts meanwhile
    monkeypatch.setattr(top, "_all", lambda _: ([top.Line("seen")], next(looks)))
    monkeypatch.setattr("time.sleep", sleep)
    assert top.show(["127.0.0.1:9901"]) == 0
    assert capsys.readouterr().out.count("seen") == 3


def test_a_proxy_that_is_not_there_at_first_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert top.show([f"127.0.0.1:{closed_port()}"]) == 1
    said = capsys.readouterr()
    assert said.out.count("not reached") == 1
    assert "a proxy listens there only with an [admin] table" in said.err


@pytest.mark.parametrize(
    ("server", "breakers", "state"),
    [
        ({}, [], "well"),
        ({"calls": 10, "failed": 8}, [], "well"),
        ({"calls": 10, "failed": 9}, [], "fails"),
        ({"calls": 0}, [], "not asked"),
        ({"withdrawn": True}, [], "drained"),
        ({"healthy": False}, [], "unhealthy"),
        ({"paused_s": 2.0}, [], "paused for 2.0 s"),
        ({}, [{"endpoint": "a", "state": "open"}], "ejected"),
        ({}, [{"endpoint": "a", "state": "half-open"}], "on trial"),
        ({}, [{"endpoint": "b", "state": "open"}], "well"),
    ],
)
def test_a_server_has_a_state(server: Any, breakers: Any, state: str) -> None:
    known = {"endpoint": "a", "withdrawn": False, "healthy": True, "paused_s": 0.0}
    ended = top._Sum()
    ended.calls, ended.failed = server.pop("calls", 10), server.pop("failed", 0)
    assert top._state(known | server, breakers, ended) == state


def _seen(routes: int, servers: int) -> top.Seen:
    """A proxy with so many of each, of which the last one has failed or is drained."""
    names = [f"http://10.0.0.{number}:80" for number in range(servers)]
    series = [[f"/r{number}", "api", names[number % servers]] for number in range(routes)]
    rows = [
        [number, 100 - number, 1 if number == routes - 1 else 0, 0, 0, 0, [1] * 6, {"8": 1}]
        for number in range(routes)
    ]
    known = {"healthy": True, "paused_s": 0.0, "in_flight": 0, "connections": 0}
    told = [known | {"endpoint": name, "withdrawn": name == names[-1]} for name in names]
    return top.Seen(
        "127.0.0.1:9901",
        {"now": []},
        {"series": series, "steps": [{"rows": rows}]},
        {"in_flight": [], "exchanges": []},
        {"upstreams": {"api": told}, "breakers": [], "concurrency": {}},
    )


@pytest.mark.parametrize(
    ("server", "phases", "most"),
    [
        ("", [0, 99, 0, 0, 0, 0], "-"),  # a hundred calls: refused, or stored
        ("", [0, 100, 0, 0, 0, 0], "queue"),
        ("", [100, 99, 0, 0, 0, 0], "client"),
        ("http://10.0.0.1:80", [0, 0, 0, 0, 9, 1], "first byte"),
        ("http://10.0.0.1:80", [0, 0, 0, 0, 0, 0], "-"),
    ],
)
def test_what_is_refused_at_once_waits_for_nothing(
    server: str, phases: list[int], most: str
) -> None:
    seen = _seen(1, 1)
    seen.history["series"] = [["/r0", "api" if server else "", server]]
    seen.history["steps"] = [{"rows": [[0, 100, 0, 100, 0, 0, phases, {"1": 100}]]}]
    [line] = [line.text for line in top.screen(seen) if line.text.startswith("/r0 ")]
    assert line.endswith(f"  {most}")


def test_of_many_routes_and_servers_those_in_trouble_are_shown() -> None:
    lines = [line.text for line in top.screen(_seen(30, 40))]
    assert (
        lines[1] == "  nothing fails at this moment; 0.0 % of the calls failed over the last minute"
    )
    assert lines[3].startswith("/r29 ")
    first = next(number for number, line in enumerate(lines) if line.startswith("SERVER"))
    assert "10.0.0.39" in lines[first + 1]
    assert lines[first + 1].endswith("drained")
    assert [line for line in lines if "more;" in line] == [
        "  and 20 more; what fails stands first",
        "  and 30 more; what fails stands first",
    ]
