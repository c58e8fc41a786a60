"""Who is measured, and how each is started."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load import configs
from benchmarks.load.machine import PROXY, raise_limits
from benchmarks.load.process import Process, free_port

# Where Debian keeps them; not everybody's PATH has it.
_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

Command = Callable[[Path, int, str], list[str]]
"""From a folder for its files, its port and the upstream's address."""


@dataclass(frozen=True)
class Peer:
    """A proxy that can be measured."""

    name: str
    title: str
    command: Command
    program: str = ""
    """What has to be installed."""
    modules: tuple[str, ...] = ()
    """Likewise, of Python."""
    env: tuple[tuple[str, str], ...] = ()

    def missing(self) -> str:
        """What is not installed; empty where all is."""
        if self.program and program(self.program) is None:
            return self.program
        absent = [name for name in self.modules if importlib.util.find_spec(name) is None]
        return ", ".join(absent)

    def process(self, folder: Path, upstream: str) -> Process:
        """One in front of ``upstream``, not started yet."""
        own = folder / self.name
        own.mkdir(exist_ok=True)
        port = free_port()
        env = {"HOME": str(own), "PYTHONDONTWRITEBYTECODE": "", **dict(self.env)}
        return Process(self.command(own, port, upstream), port, PROXY, own / "log", env)


def program(name: str) -> str | None:
    """Where an installed program is."""
    return shutil.which(name, path=_PATH)


def _found(name: str) -> str:
    path = program(name)
    assert path is not None, "asked for before it was missed"
    return path


def _proxy(access: bool) -> Command:
    def command(folder: Path, port: int, upstream: str) -> list[str]:
        return _run(configs.proxy(folder, port, upstream, access=access))

    return command


def _armed(folder: Path, port: int, upstream: str) -> list[str]:
    return _run(configs.armed(folder, port, upstream))


def _run(config: Path) -> list[str]:
    return [sys.executable, "-m", "proxy", "run", str(config)]


def _nginx(access: bool) -> Command:
    def command(folder: Path, port: int, upstream: str) -> list[str]:
        config = configs.nginx(folder, port, upstream, raise_limits(), access=access)
        return [_found("nginx"), "-p", str(folder), "-c", str(config)]

    return command


def _haproxy(access: bool) -> Command:
    def command(folder: Path, port: int, upstream: str) -> list[str]:
        config = configs.haproxy(folder, port, upstream, access=access)
        return [_found("haproxy"), "-db", *([] if access else ["-q"]), "-f", str(config)]

    return command


def _caddy(access: bool) -> Command:
    def command(folder: Path, port: int, upstream: str) -> list[str]:
        config = configs.caddy(folder, port, upstream, access=access)
        return [_found("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]

    return command


def _python(name: str) -> Command:
    def command(_: Path, port: int, upstream: str) -> list[str]:
        module = f"benchmarks.load.servers.{name}"
        return [sys.executable, "-m", module, str(port), f"http://{upstream}"]

    return command


OURS: Final = "proxy"
OURS_LOGGED: Final = "proxy-log"
OURS_ARMED: Final = "proxy-armed"
DIRECT: Final = "direct"
"""No proxy at all: what the upstream and the load generator are good for."""

_ONE_CORE: Final = (("GOMAXPROCS", "1"),)

PEERS: Final = {
    peer.name: peer
    for peer in (
        Peer(OURS, "sidecar-proxy", _proxy(access=False)),
        Peer(OURS_LOGGED, "sidecar-proxy, access log on", _proxy(access=True)),
        Peer(OURS_ARMED, "sidecar-proxy, all armed, three servers, access log on", _armed),
        Peer("nginx", "nginx", _nginx(access=False), program="nginx"),
        Peer("nginx-log", "nginx, access log on", _nginx(access=True), program="nginx"),
        Peer("haproxy", "HAProxy", _haproxy(access=False), program="haproxy"),
        Peer("haproxy-log", "HAProxy, access log on", _haproxy(access=True), program="haproxy"),
        Peer("caddy", "Caddy", _caddy(access=False), program="caddy", env=_ONE_CORE),
        Peer(
            "caddy-log", "Caddy, access log on", _caddy(access=True), program="caddy", env=_ONE_CORE
        ),
        Peer("aiohttp", "plain aiohttp", _python("plain_aiohttp"), modules=("uvloop",)),
        Peer("tunnel", "bare tunnel in uvloop", _python("bare_tunnel"), modules=("uvloop",)),
        Peer(
            "fastapi-aiohttp",
            "FastAPI + aiohttp",
            _python("fastapi_aiohttp"),
            modules=("fastapi", "uvicorn", "httptools"),
        ),
        Peer(
            "fastapi-httpx",
            "FastAPI + httpx",
            _python("fastapi_httpx"),
            modules=("fastapi", "uvicorn", "httptools", "httpx"),
        ),
    )
}

_LOGGED: Final = frozenset(name for name in PEERS if name.endswith("-log"))
LOGGED: Final = _LOGGED | {OURS_ARMED}
"""Peers that write an access log."""
UNLOGGED: Final = frozenset(name.removesuffix("-log") for name in _LOGGED)
"""The same without."""
