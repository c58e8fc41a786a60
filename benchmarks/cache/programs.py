"""The programs that are measured: an API, this proxy, and other caches in front of the same API."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PATIENCE: Final = 60.0
_API: Final = """
worker_processes 1; daemon off; pid {dir}/api.pid; error_log {dir}/api.err;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096; default_type text/plain;
    add_header Cache-Control $life; add_header ETag '"a"';
    location / {{ return 200 "{body}"; }}
  }}
  map $uri $life {{ default "max-age={life}"; ~^/private/ "no-store"; }}
}}
"""
_CACHE: Final = """
worker_processes 1; daemon off; pid {dir}/cache.pid; error_log {dir}/cache.err;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  proxy_cache_path {dir}/nginx-cache levels=1:2 keys_zone=c:64m max_size=64m;
  upstream api {{ server 127.0.0.1:{api}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_http_version 1.1; proxy_set_header Connection "";
    location /plain/ {{ proxy_pass http://api; }}
    location / {{ proxy_pass http://api; proxy_cache c; proxy_cache_lock on; }}
  }}
}}
"""
_VCL: Final = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{api}"; }}
sub vcl_recv {{ if (req.url ~ "^/plain/") {{ return (pass); }} }}
"""
CONFIG: Final = """
[server]
listen = "127.0.0.1:{port}"
[log]
access = false
[cache]
stale_if_error = "1h"
max_size = "{size}"
{store}
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:{api}"]
[[routes]]
upstream = "api"
[[routes]]
path = "/plain"
upstream = "api"
cache = false
"""


class Missing(Exception):
    """A program is not installed."""


def free_port() -> int:
    """A port of loopback on which nobody listens.

    Not one that the kernel itself gives to who connects. Who waits for a program that does not
    listen yet would now and then connect to itself there, and so take the port away from it.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Running:
    """A program that listens."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.port = port

    def processor_seconds(self) -> float:
        """What it and its children have used."""
        return sum(map(_used, [self.process.pid, *_children(self.process.pid)]))

    def resident(self) -> int:
        """Bytes of memory that it has now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """At once, as ``kill -9`` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let it end."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(_PATIENCE)


def _used(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextlib.contextmanager
def _started(command: list[str], port: int) -> Iterator[Running]:
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    running = Running(process, port)
    try:
        _wait_for(running)
        yield running
    finally:
        running.stop()


def _wait_for(running: Running) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", running.port)):
            return
        if running.process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"{running.process.args!r} does not listen")


@contextlib.contextmanager
def api(where: Path, *, life: int = 3600, size: int = 1024, port: int = 0) -> Iterator[Running]:
    """nginx, which answers everything with ``size`` bytes that are fresh for ``life`` seconds."""
    if (program := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        raise Missing("nginx")
    port = port or free_port()
    config = where / "api.conf"
    config.write_text(_API.format(dir=where, port=port, life=life, body="x" * size))
    with _started([program, "-p", str(where), "-c", str(config)], port) as running:
        yield running


@contextlib.contextmanager
def nginx(where: Path, behind: int) -> Iterator[Running]:
    """nginx with its cache."""
    if (program := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        raise Missing("nginx")
    port = free_port()
    config = where / "cache.conf"
    config.write_text(_CACHE.format(dir=where, port=port, api=behind))
    with _started([program, "-p", str(where), "-c", str(config)], port) as running:
        yield running


@contextlib.contextmanager
def varnish(where: Path, behind: int) -> Iterator[Running]:
    """Varnish, with the memory that this proxy has."""
    if (program := shutil.which("varnishd", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        raise Missing("varnishd")
    port = free_port()
    config = where / "varnish.vcl"
    config.write_text(_VCL.format(api=behind))
    options = ["-f", str(config), "-s", "malloc,64m", "-n", str(where / "varnish")]
    with _started([program, "-F", "-a", f"127.0.0.1:{port}", *options], port) as running:
        yield running


@contextlib.contextmanager
def redis(where: Path) -> Iterator[Running]:
    """Redis on loopback, which keeps everything in memory."""
    if (program := shutil.which("redis-server")) is None:
        raise Missing("redis-server")
    port = free_port()
    with _started([program, "--port", str(port), "--save", "", "--dir", str(where)], port) as it:
        yield it


@contextlib.contextmanager
def proxy(
    where: Path, behind: int, store: str = "", port: int = 0, size: str = "64MiB"
) -> Iterator[Running]:
    """This proxy; ``store``: lines of the configuration; ``size``: ``[cache] max_size``."""
    port = port or free_port()
    config = where / f"proxy-{port}.toml"
    config.write_text(CONFIG.format(port=port, api=behind, store=store, size=size))
    command = [sys.executable, "-m", "proxy", "run", str(config)]
    with _started(command, port) as running:
        yield running


async def fetch(port: int, target: str) -> tuple[int, bytes, str]:
    """Status, body and Cache-Status of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        body = await reader.readexactly(int(fields["content-length"]))
        return int(lines[0].split()[1]), body, fields.get("cache-status", "")
    finally:
        writer.close()
