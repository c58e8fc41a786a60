"""What the pages show of the output of commands is what they print."""

import logging
import os
import re
import socket
import sys
from pathlib import Path

import pytest

from proxy.config.load import check
from proxy.edge.connections import UnderWay
from proxy.telemetry.log import JsonFormatter
from tests.docs.test_operations import run, shown
from tests.support.message import get, length
from tests.support.proxy import fronted

TOP = Path(__file__).parents[2]
OPERATIONS = (TOP / "docs/operations.md").read_text(encoding="utf-8")
OURS = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
COMMAND = f"{sys.executable} -m proxy"
UPSTREAM = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'


def test_the_readme_shows_what_check_says(tmp_path: Path) -> None:
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^```text\n(config\.toml:(?:\d+): .*)\n```$", readme, re.MULTILINE)
    number = int(line.split(":")[1])
    file = tmp_path / "config.toml"
    file.write_text("\n" * (number - 2) + f"[retry]\natempts = 2\n{UPSTREAM}")
    assert [str(problem) for problem in check(file, {})] == [f"{tmp_path}/{line}"]


async def test_a_start_that_fails_names_who_holds_the_port(tmp_path: Path) -> None:
    [line] = [block for block in shown("Starting") if "cannot start" in block]
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        status, said = await run(
            f"{COMMAND} run --upstream http://127.0.0.1:9 --listen 127.0.0.1:{port}", tmp_path
        )
    assert status == 3
    line = line.replace("8080", port).replace("nginx", OURS).replace("4711", str(os.getpid()))
    assert line in said.splitlines()


EXPLAINED = """[retry]
attempts = 4

[[upstreams]]
name = "api"
servers = ["https://api.example.com"]





[[routes]]
path = "/v1"
upstream = "api"
strip_prefix = "/v1"

[routes.retry]
on = ["503"]
[[routes]]
path = "/v1/x"
methods = ["POST"]
upstream = "api"
"""


async def test_explain_prints_what_the_excerpt_shows(tmp_path: Path) -> None:
    blocks = shown("What becomes of a request")
    [excerpt] = [block for block in blocks if block.startswith("Route:")]
    (tmp_path / "config.toml").write_text(EXPLAINED)
    command = f"{COMMAND} explain config.toml GET http://api.test/v1/x?y=1"
    status, said = await run(command, tmp_path)
    assert status == 0
    printed = [line.strip() for line in said.splitlines()]
    lines = [line.strip() for line in excerpt.splitlines() if line.strip() != "..."]
    assert lines
    assert [line for line in lines if line not in printed] == []


def test_a_stop_says_what_is_in_flight_in_these_words() -> None:
    assert f"draining: {UnderWay(3, 2, 1)} in flight, up to 30 s" in OPERATIONS
    assert f"grace_period of 30 s is over: ending {UnderWay(0, 2, 1)}" in OPERATIONS


async def test_a_change_of_state_is_the_line_that_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    [line] = re.findall(r"```json\n(.*)\n```", OPERATIONS)
    broken = {"consecutive_failures": 1, "base_ejection_time": "5s"}
    async with fronted(
        ["wait-body", length(b"no", b"500 No")],
        circuit_breaker=broken,
        retry={"attempts": 1},
        routes=[{"path": "/v1", "upstream": "api"}],
    ) as (upstream, proxy):
        await proxy.ask(get("/v1"))
        [record] = [each for each in caplog.records if vars(each).get("event") == "ejected"]
        written = JsonFormatter().format(record).replace(upstream.url, "http://10.0.0.2:9000")
    assert without_time(written) == without_time(line)
    assert record.levelno == logging.WARNING


def without_time(line: str) -> str:
    return re.sub(r'"time":"[0-9T:.Z-]+"', "", line)
