"""The service manager is told, where there is one."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from proxy.run.notify import Watchdog, notify, say_ready
from tests.support.loop import JumpingLoop


@pytest.mark.parametrize("abstract", [False, True])
def test_the_state_is_sent(abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(30)
        manager.bind(f"\0{path}" if abstract else path)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{path}" if abstract else path)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_the_ready_line_names_what_is_listened_on(capsys: pytest.CaptureFixture[str]) -> None:
    say_ready(http="127.0.0.1:80,[::1]:80", admin="", probes="127.0.0.1:99")
    assert capsys.readouterr() == ("", "ready http=127.0.0.1:80,[::1]:80 probes=127.0.0.1:99\n")


def test_a_manager_that_is_gone_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


async def test_the_watchdog_hears_of_a_loop_that_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jumping: JumpingLoop
) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        watchdog = Watchdog()
        await asyncio.sleep(46)
        watchdog.close()
        await asyncio.sleep(100)
        said = []
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(manager.recv(100))
        assert said == [b"WATCHDOG=1"] * 4  # at 0, 15, 30 and 45 s


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}],
    ids=["none", "another process", "no number"],
)
async def test_a_watchdog_that_is_not_ours_hears_nothing(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, jumping: JumpingLoop
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Watchdog().close()
    assert Watchdog()._timer is None
