"""Who has the day."""

import sys
from pathlib import Path
from typing import Final

from benchmarks.badday import configs
from benchmarks.load.machine import raise_limits
from benchmarks.load.peer import Peer, program

OURS: Final = "ours"


def _found(name: str) -> str:
    path = program(name)
    assert path is not None, "asked for before it was missed"
    return path


# Each gets the addresses of all endpoints in one word, with commas.
def _ours(folder: Path, port: int, servers: str) -> list[str]:
    config = configs.proxy(folder, port, servers.split(","))
    return [sys.executable, "-m", "proxy", "run", str(config)]


def _nginx(folder: Path, port: int, servers: str) -> list[str]:
    config = configs.nginx(folder, port, servers.split(","), raise_limits())
    return [_found("nginx"), "-p", str(folder), "-c", str(config)]


def _haproxy(folder: Path, port: int, servers: str) -> list[str]:
    config = configs.haproxy(folder, port, servers.split(","))
    return [_found("haproxy"), "-db", "-q", "-f", str(config)]


def _caddy(folder: Path, port: int, servers: str) -> list[str]:
    config = configs.caddy(folder, port, servers.split(","))
    return [_found("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]


PEERS: Final = {
    peer.name: peer
    for peer in (
        Peer(OURS, "sidecar-proxy", _ours),
        Peer("nginx", "nginx", _nginx, program="nginx"),
        Peer("haproxy", "HAProxy", _haproxy, program="haproxy"),
        Peer("caddy", "Caddy", _caddy, program="caddy", env=(("GOMAXPROCS", "1"),)),
    )
}
