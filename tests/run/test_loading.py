"""What a start loads, and what it costs: each test looks at a process of its own."""

import asyncio
import contextlib
import importlib.util
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM
from proxy.run.later import Later
from tests.support.authority import Authority
from tests.support.process import PATIENCE, started

CONTEXTS = """
import json, ssl
from proxy.run.loading import load_libraries
load_libraries()
from aiohttp import connector
theirs = connector._SSL_CONTEXT_VERIFIED
print(json.dumps({
    "theirs": theirs.cert_store_stats()["x509_ca"],
    "verified": theirs.verify_mode == ssl.CERT_REQUIRED and theirs.check_hostname,
    "ours": ssl.create_default_context().cert_store_stats()["x509_ca"],
}))
"""

PLAIN = """
import json, os, signal, socket, sys, threading
from proxy.run import notify
from proxy.cli import main

front, api = sys.argv[1], socket.create_server(("127.0.0.1", 0))

def answer():
    client, _ = api.accept()
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")

def ask():
    loaded = set(sys.modules)
    client = socket.socket(socket.AF_UNIX)
    client.connect(front)
    client.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    reply = b""
    while not reply.endswith(b"hi"):
        reply += client.recv(65536) or sys.exit("no reply")
    later = sorted(set(sys.modules) - loaded)
    with open("seen", "w") as file:
        json.dump({"reply": reply.decode(), "loaded": sorted(loaded), "later": later}, file)
    os.kill(os.getpid(), signal.SIGTERM)

def ready(state):
    if state == "READY=1":
        threading.Thread(target=ask).start()

threading.Thread(target=answer, daemon=True).start()
notify.notify = ready
url = "http://127.0.0.1:%d" % api.getsockname()[1]
sys.exit(main(["run", "--upstream", url, "--listen", f"unix:{front}", *sys.argv[2:]]))
"""
"""A proxy that serves one request and stops; what was loaded when is in the file ``seen``."""

HEAVY = """
difflib gzip importlib.metadata importlib.resources mmap multiprocessing sqlite3
cryptography http_sf opentelemetry prometheus_client re2 redis
proxy.admin.api proxy.admin.observatory proxy.admin.page proxy.config.describe
proxy.config.diagnose proxy.config.lines proxy.core.recording proxy.core.stored proxy.demo
proxy.run.answers proxy.run.explain.explain proxy.run.operators
proxy.run.recording proxy.run.workers.inherited proxy.run.workers.nursery proxy.store.memory
proxy.store.redis proxy.store.sqlite proxy.telemetry.otlp proxy.telemetry.recorder
proxy.telemetry.spans proxy.testing proxy.upstream.credentials.token_server
"""
"""What nobody has asked for, besides the concerns that ``run/chains`` loads later."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def asked(script: str, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    return json.loads(done.stdout)


def test_the_certificates_of_the_system_are_read_by_whoever_wants_them(
    authority: Authority,
) -> None:
    found = asked(CONTEXTS, SSL_CERT_FILE=authority.path("ca.pem"), SSL_CERT_DIR="/nonexistent")
    assert found == {"theirs": 0, "verified": True, "ours": 1}


def served(folder: Path, *arguments: str) -> dict[str, Any]:
    """What ``PLAIN`` has seen, with these arguments."""
    command = [sys.executable, "-c", PLAIN, str(folder / "front"), *arguments]
    path = {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        command, check=False, cwd=folder, env=path, capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr.decode()
    seen: dict[str, Any] = json.loads((folder / "seen").read_text())
    assert seen["reply"].startswith("HTTP/1.1 200 OK")
    return seen


def test_a_plain_start_loads_nothing_that_nobody_asked_for(tmp_path: Path) -> None:
    loaded = served(tmp_path)["loaded"]
    rows = [row.concern for row in (*ROUTE, *UPSTREAM, *ENDPOINT)]
    later = {concern.__name__ for concern in rows if isinstance(concern, Later)}
    assert later
    assert sorted((later | set(HEAVY.split())) & set(loaded)) == []


def test_what_is_called_heavy_is_there() -> None:
    ours = [name for name in HEAVY.split() if name.startswith("proxy")]
    assert [name for name in ours if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--admin", "127.0.0.1:0"),
        ("--set", "cache.ttl=1m", "--set", "coalesce={}", "--set", "rate_limit.average=9"),
        ("--set", "hedge={}", "--set", "deadline={}", "--set", "concurrency={}"),
        ("--set", "stream.heartbeat=5s", "--set", "stream.resume=5s"),
    ],
)
def test_no_request_waits_for_a_module(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert served(tmp_path, *arguments)["later"] == []


@contextlib.asynccontextmanager
async def api(context: ssl.SSLContext) -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
    """Its address, and the paths that were asked for."""
    paths: asyncio.Queue[str] = asyncio.Queue()

    async def answer(request: web.Request) -> web.Response:
        paths.put_nowait(request.path)
        return web.Response(text="here")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", paths
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("trusted", "status"), [(True, 200), (False, 502)])
async def test_who_speaks_tls_trusts_what_the_system_trusts(
    authority: Authority, tmp_path: Path, trusted: bool, status: int
) -> None:
    """The API and the collector of spans; their certificates come from nobody else."""
    trust = authority.path("ca.pem") if trusted else "/nonexistent"
    async with api(authority.server()) as (url, paths):
        config = tmp_path / "config.toml"
        config.write_text(
            f'[server]\nlisten = "127.0.0.1:0"\n[tracing]\nendpoint = "{url}/collector"\n'
            f'[[upstreams]]\nname = "api"\nservers = ["{url}"]\n'
        )
        async with started(
            "run", str(config), SSL_CERT_FILE=trust, SSL_CERT_DIR="/nonexistent"
        ) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                reply = await client.ask(b"GET /asked HTTP/1.1\r\nHost: a\r\n\r\n")
                assert reply.status == status
            if trusted:
                async with asyncio.timeout(PATIENCE):
                    assert await paths.get() == "/asked"
                    assert await paths.get() == "/collector/v1/traces"
            else:
                assert paths.empty()
