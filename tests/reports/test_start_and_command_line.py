"""How the command starts, and what it says and returns where it cannot."""

import asyncio
import os
import re
import socket
import sys
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.config.sample import starter
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.process import started
from tests.support.upstream import RawUpstream

PATIENCE = 30


async def failed(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_a_port_that_is_taken_is_named_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for listen in (f"127.0.0.1:{port}", f":{port}", f"{port}"):
            status, output, errors = await failed(
                "run", "--upstream", "http://[::1]:1", "--listen", listen
            )
            assert (status, output) == (3, "")
            assert f"cannot listen on {listen}: port {port} is taken" in errors
            assert f"(pid {os.getpid()})" in errors


@pytest.mark.parametrize(
    ("listen", "reason"),
    [
        ("nobody.invalid:0", "no address for the name 'nobody.invalid'"),
        ("192.0.2.1:0", "no interface of this machine has the address '192.0.2.1'"),
        ("unix:/nobody/has/this.sock", "there is no folder '/nobody/has'"),
        ("unix:/etc/hostname", "there is a file of that name that is no socket"),
    ],
)
async def test_an_address_that_cannot_be_had_is_named(listen: str, reason: str) -> None:
    status, _, errors = await failed("run", "--upstream", "http://[::1]:1", "--listen", listen)
    assert status == 3
    assert f"cannot listen on {listen}: {reason}" in errors


async def test_the_admin_listener_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["--listen", "127.0.0.1:0", "--admin", address]
        status, _, errors = await failed("run", "--upstream", "http://[::1]:1", *arguments)
        assert status == 3
        assert f"cannot listen on {address}" in errors


async def test_every_server_that_is_named_gets_requests() -> None:
    async with (
        RawUpstream() as one,
        RawUpstream() as two,
        started("run", "--upstream", one.url, "--upstream", two.url, "--listen", ":0") as proxy,
    ):
        await proxy.ready()
        port = int(proxy.http[0].rpartition(":")[2])
        async with await RawClient.connect(("127.0.0.1", port)) as client:
            for _ in range(40):  # which one is a matter of chance
                assert (await client.ask(get())).status == 200
        assert one.requests
        assert two.requests


async def test_a_port_alone_is_on_loopback_and_several_listeners_can_be_named() -> None:
    arguments = ["--listen", "0", "--listen", "127.0.0.1:0", "--admin", "0"]
    async with started("run", "--upstream", "http://[::1]:1", *arguments) as proxy:
        await proxy.ready()
        assert len(proxy.http) == 2
        for address in (*proxy.http, proxy.admin):
            assert re.fullmatch(r"127\.0\.0\.1:[1-9][0-9]*", address)


@pytest.mark.parametrize("workers", [1, 2])
async def test_without_a_host_both_families_are_listened_on_and_the_ready_line_says_so(
    workers: int,
) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    arguments = ["--listen", ":0", "--admin", ":0", "--set", 'admin.probes="[::]:0"']
    workers_ = f"server.workers={workers}"
    async with started(
        "run", "--upstream", "http://[::1]:1", *arguments, "--set", workers_
    ) as proxy:
        line = await proxy.line("ready")
        found = re.fullmatch(r"ready http=(\S+) admin=(\S+) probes=(\S+)\n", line)
        assert found, line
        for listened, rest in ((found[1], ",[::]:{}"), (found[2], "")):
            port = int(listened.rpartition(":")[2])
            assert listened == f"0.0.0.0:{port}{rest.format(port)}"
            for host in ("127.0.0.1", "::1"):
                socket.create_connection((host, port), PATIENCE).close()
        port = int(found[3].rpartition(":")[2])
        assert found[3] == f"[::]:{port}"
        socket.create_connection(("::1", port), PATIENCE).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), PATIENCE)


@pytest.mark.parametrize("arguments", [["--upstream", "http://a", "--set", "x"], ["gone.toml"]])
async def test_a_bad_configuration_is_2(arguments: list[str]) -> None:
    status, output, errors = await failed("run", *arguments)
    assert (status, output) == (2, "")
    assert errors


async def test_run_shows_warnings_and_runs(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[server]\nlisten = 0\n[queue]\n[[upstreams]]\nname = "a"\nservers = ["http://[::1]:1"]\n'
    )
    async with started("run", str(file)) as proxy:
        await proxy.line(f"{file}:3: queue: warning: ")
        await proxy.ready()


def test_init_writes_a_file_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    text = Path("config.toml").read_text()
    assert "# attempts = 3" in text
    assert main(["check"]) == 0
    assert capsys.readouterr().out == ""


def test_init_prints_where_standard_output_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "-"]) == 0
    assert capsys.readouterr().out == starter()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("run --config x.toml", "run x.toml"),
        ("run --config=x.toml", "run x.toml"),
        ("check -c x.toml", "check x.toml"),
        ("init --file x.toml", "init x.toml"),
    ],
)
def test_a_file_that_is_given_by_an_option_is_told_as_such(
    line: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(line.split())
    assert left.value.code == 2
    assert f"the file is given without an option: {meant}\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["there.toml", "folder", "none/config.toml"])
def test_init_never_writes_over_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.toml").write_text("mine")
    Path("folder").mkdir()
    assert main(["init", name]) == 2
    assert Path("there.toml").read_text() == "mine"


def test_init_does_not_follow_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").symlink_to("elsewhere.toml")
    assert main(["init"]) == 2
    assert not Path("elsewhere.toml").exists()


def test_check_takes_set_and_prints_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert main(["check", "--set", "retry.attempts=99"]) == 2
    assert capsys.readouterr().out.startswith(
        "command line: --set retry.attempts: expected a whole"
    )


@pytest.mark.parametrize("argument", ["--version", "--help"])
async def test_words_that_found_no_room_are_no_success(argument: str) -> None:
    """``sidecar-proxy --version > /dev/full`` ended with 0 and said nothing."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", argument),
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        async with asyncio.timeout(PATIENCE):
            _, errors = await process.communicate()
    finally:
        os.close(full)
    assert process.returncode == 1
    assert b"cannot write to standard output" in errors
