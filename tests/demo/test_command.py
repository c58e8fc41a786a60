"""``sidecar-proxy demo``."""

import asyncio
import re
import shutil
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config.load import check
from proxy.config.model import Config
from proxy.demo import command, traffic
from tests.test_readme import address

__all__ = ["address"]  # a fixture


def test_it_runs_the_proxy_in_front_of_a_demo_api_that_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Config] = []

    def serve(config: Config) -> int:
        seen.append(config)
        assert config.admin is not None
        assert config.admin.listen == "127.0.0.1:8098"
        [url] = config.upstreams[0].servers
        assert isinstance(url, str)
        with urllib.request.urlopen(f"{url}/slow?seconds=0") as answer:
            assert answer.status == 200
        return 7

    monkeypatch.setattr("proxy.run.serve.run", serve)
    assert (
        command.run(["--listen", "127.0.0.1:8099", "--admin", "127.0.0.1:8098", "--no-load"]) == 7
    )
    assert [config.server.listen for config in seen] == ["127.0.0.1:8099"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "page      http://127.0.0.1:8098/" in err
    assert "curl -i 'http://127.0.0.1:8099/slow?seconds=2'" in err


def test_port_0_is_a_free_one_that_its_lines_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Config] = []

    def serve(config: Config) -> int:
        seen.append(config)
        return 0

    monkeypatch.setattr("proxy.run.serve.run", serve)
    assert command.run(["--listen", "[::1]:0", "--admin", "127.0.0.1:0", "--no-load"]) == 0
    [config] = seen
    assert config.admin is not None
    listen, admin = str(config.server.listen), config.admin.listen
    assert re.fullmatch(r"\[::1\]:[1-9]\d+", listen)
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d+", admin)
    err = capsys.readouterr().err
    assert f"proxy     http://{listen}\n" in err
    assert f"page      http://{admin}/\n" in err


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_each_line_that_it_shows_can_be_pasted_and_does_what_it_is_there_for(
    address: str,
) -> None:
    text = command._TRY.format(api="API", listen=address, admin="ADMIN")
    lines = re.findall(r"^  (curl .+)$", text, re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        process = await asyncio.create_subprocess_shell(
            line.replace("1GiB", "1MiB"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        cut = "/cut" in line
        assert (process.returncode, cut) == (18 if cut else 0, cut), (line, err)
        assert cut or out


def test_an_address_that_makes_no_sense_is_a_bad_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.run(["--listen", "nowhere"]) == 2
    assert "--listen" in capsys.readouterr().err


def test_load_is_brought_while_the_proxy_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    async def drive(_: traffic.Traffic, say: Callable[[str], None]) -> None:
        say("now")
        begun.set()
        await asyncio.Event().wait()

    def serve(config: Config) -> int:
        assert begun.wait(30)
        return 0

    monkeypatch.setattr("proxy.run.serve.run", serve)
    monkeypatch.setattr(traffic, "drive", drive)
    assert command.run(["--listen", "127.0.0.1:8099"]) == 0
    assert "demo: now\n" in capsys.readouterr().err
    assert not [each for each in threading.enumerate() if each.name.startswith("demo-")]


def test_the_configuration_of_the_demo_has_no_doubts(tmp_path: Path) -> None:
    file = tmp_path / "demo.toml"
    where = {"listen": '"127.0.0.1:0"', "admin": '"127.0.0.1:0"'}
    file.write_text(traffic.CONFIG.format(api="http://a", deaf="http://b", **where))
    assert check(file) == []
