"""The demo API as a process: it never outlives the one that started it."""

import signal
import subprocess
import sys
import threading
import urllib.request

import pytest

from proxy.demo.process import DemoFailed, DemoProcess


def test_it_answers_within_the_block_and_is_gone_after_it() -> None:
    with DemoProcess("127.0.0.1:0") as demo:
        assert urllib.request.urlopen(f"{demo.url}/bytes/5").read() == b' !"#$'
        assert not demo.url.endswith(":0")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(demo.url)


def test_an_address_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with DemoProcess("127.0.0.1:0") as demo:
        taken = demo.url.removeprefix("http://")
        with pytest.raises(DemoFailed), DemoProcess(taken):
            pass
    port = taken.rpartition(":")[2]
    said = capsys.readouterr().err
    assert f"cannot listen on {taken}: port {port} is taken by " in said


def test_it_ends_when_the_process_that_started_it_is_killed() -> None:
    script = (
        "import os, signal; from proxy.demo.process import DemoProcess\n"
        "with DemoProcess('127.0.0.1:0') as demo:\n"
        "    os.write(1, demo.url.encode()); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # The demo has the script's standard output too, so this waits for the end of both.
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(done.stdout.decode())


def test_when_it_ends_by_itself_the_proxy_in_front_of_it_is_told() -> None:
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        with DemoProcess("127.0.0.1:0") as demo:
            demo._child.kill()
            # A signal that another thread gets does not end a wait of this one, which hears of it.
            assert any(told.wait(0.1) for _ in range(600))
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("listen", ["9000", "127.0.0.1", "127.0.0.1:x", ":9000"])
def test_an_address_that_makes_no_sense_is_refused(listen: str) -> None:
    command = [sys.executable, "-m", "proxy.demo", "--listen", listen]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"--listen wants HOST:PORT" in done.stderr
