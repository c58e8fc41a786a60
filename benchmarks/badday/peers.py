"""Who has the day."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.badday import files
from benchmarks.badday.configs import TUNED
from benchmarks.badday.defaults import NOTHING_TUNED
from benchmarks.badday.files import Templates
from benchmarks.badday.profile import Tuning
from benchmarks.load.machine import raise_limits
from benchmarks.load.peer import Peer, program

OURS: Final = "ours"


_MORE: Final = {
    OURS: "",
    "ours-hedge": "[hedge]",
    "ours-auto": '[timeouts]\nper_try = "auto"',
    "ours-wait": '[retry]\nwait_for_connect = "30s"',
}
"""What is written in this proxy's rows beside the servers."""


def _found(name: str) -> str:
    path = program(name)
    assert path is not None, "asked for before it was missed"
    return path


Command: TypeAlias = Callable[[Path, int, str], list[str]]
"""From a folder, a port and the addresses of all endpoints in one word, with commas."""


def _templates(tuning: Tuning) -> Templates:
    return TUNED if tuning is Tuning.TUNED else NOTHING_TUNED


def told(name: str, tuning: Tuning, folder: Path, port: int, servers: list[str]) -> Path:
    """The file of one of this proxy's rows."""
    more = _MORE[name]
    if tuning is Tuning.TUNED:
        more = ""
    elif tuning is Tuning.HEDGE and not more:
        more = "[hedge]"
    return files.proxy(_templates(tuning), folder, port, servers, more)


def _ours(name: str, tuning: Tuning, folder: Path, port: int, servers: str) -> list[str]:
    config = told(name, tuning, folder, port, servers.split(","))
    return [sys.executable, "-m", "proxy", "run", str(config)]


def _nginx(tuning: Tuning, folder: Path, port: int, servers: str) -> list[str]:
    config = files.nginx(_templates(tuning), folder, port, servers.split(","), raise_limits())
    return [_found("nginx"), "-p", str(folder), "-c", str(config)]


def _haproxy(tuning: Tuning, folder: Path, port: int, servers: str) -> list[str]:
    config = files.haproxy(_templates(tuning), folder, port, servers.split(","))
    return [_found("haproxy"), "-db", "-q", "-f", str(config)]


def _caddy(tuning: Tuning, folder: Path, port: int, servers: str) -> list[str]:
    config = files.caddy(_templates(tuning), folder, port, servers.split(","))
    return [_found("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]


_COMMANDS: Final[dict[str, Callable[[Tuning, Path, int, str], list[str]]]] = {
    **{name: partial(_ours, name) for name in _MORE},
    "nginx": _nginx,
    "haproxy": _haproxy,
    "caddy": _caddy,
}
TITLES: Final = {
    OURS: "sidecar-proxy",
    "ours-hedge": "sidecar-proxy, `[hedge]`",
    "ours-auto": 'sidecar-proxy, `per_try = "auto"`',
    "ours-wait": 'sidecar-proxy, `wait_for_connect = "30s"`',
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "caddy": "Caddy",
}


def peer(name: str, tuning: Tuning) -> Peer:
    """One of them, as its operator has written it."""
    program_name = "" if name.startswith(OURS) else name
    env = (("GOMAXPROCS", "1"),) if name == "caddy" else ()
    command = partial(_COMMANDS[name], tuning)
    return Peer(name, TITLES[name], command, program=program_name, env=env)
