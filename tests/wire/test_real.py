"""A client and an upstream that nobody here wrote."""

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.client import RawClient
from tests.support.message import CHUNKED_HEAD, OK, get, length
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.upstream import closed_port

curl_wanted = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
nginx_wanted = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

BODY = bytes(i * 31 % 256 for i in range(3_000_000))

NGINX = """
{user}
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 0; default_type text/plain;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /files/ {{ alias {home}/files/; }}
    location /status {{ return 418 "teapot\\n"; }}
    location /moved {{ return 301 /files/big; }}
    location /zipped/ {{
      alias {home}/files/; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
    }}
  }}
}}
"""


def url(proxy: Proxy, path: str) -> str:
    """What curl calls it."""
    return f"http://{proxy.runtime.http[0]}{path}"


async def curl(*words: str, stdin: bytes = b"") -> tuple[int, bytes]:
    """Exit code and standard output."""
    # What reads nothing may have ended before a pipe to it is used.
    given = asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--max-time", "5", *words,
        stdin=given, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate(stdin or None)
    return process.returncode or 0, output


@curl_wanted
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
async def test_curl_downloads(version: str) -> None:
    async with fronted([length(BODY)]) as (upstream, proxy):
        assert await curl(version, url(proxy, "/a%2Fb?x=1")) == (0, BODY)
        assert upstream.requests[0].line == b"GET /a%2Fb?x=1 HTTP/1.1"
        assert (upstream.requests[0].head.value("User-Agent") or b"").startswith(b"curl/")


@curl_wanted
@pytest.mark.parametrize(
    "words", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")]
)
async def test_curl_uploads(words: tuple[str, ...]) -> None:
    async with fronted() as (upstream, proxy):
        code, output = await curl(*words, "--data-binary", "@-", url(proxy, "/"), stdin=BODY)
        assert (code, output) == (0, b"ok")
        assert hashlib.sha256(upstream.requests[0].body).digest() == hashlib.sha256(BODY).digest()


@curl_wanted
async def test_curl_keeps_its_connection() -> None:
    async with fronted() as (upstream, proxy):
        address = url(proxy, "/")
        code, output = await curl("--write-out", "%{num_connects} ", address, address, address)
        assert (code, output) == (0, b"ok1 ok0 ok0 ")
        assert len(upstream.connections) == 1


@curl_wanted
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", CHUNKED_HEAD + b"5\r\n"],
    ids=["length", "chunked"],
)
async def test_curl_notices_a_reply_that_was_cut(head: bytes, version: str) -> None:
    shown = {"stream": {"commit": "headers"}}  # by default a small reply is held until it is whole
    script = [head, b"hell", 0.02, "fin"]
    async with fronted(script, **shown) as (_, proxy):
        code, _ = await curl(version, url(proxy, "/"))
        assert code in (18, 56)  # CURLE_PARTIAL_FILE, CURLE_RECV_ERROR


@curl_wanted
async def test_curl_reads_our_own_answers() -> None:
    async with proxied(f"http://127.0.0.1:{closed_port()}", retry={"attempts": 1}) as proxy:
        code, output = await curl("--write-out", "\n%{http_code}", url(proxy, "/"))
        body, _, status = output.rpartition(b"\n")
        assert (code, status, json.loads(body)["status"]) == (0, b"502", 502)


@curl_wanted
async def test_curl_asks_for_another_protocol_and_is_served_in_this_one() -> None:
    async with fronted([OK]) as (upstream, proxy):
        assert await curl("--http2", url(proxy, "/")) == (0, b"ok")
        assert upstream.requests[0].head.values("Upgrade") == []


@asynccontextmanager
async def nginx(home: Path) -> AsyncIterator[str]:
    """A real server, with a file of its own."""
    port = closed_port()
    user = "" if os.geteuid() else "user root;"  # its workers would not get at the files
    (home / "files").mkdir()
    (home / "files" / "big").write_bytes(BODY)
    (home / "nginx.conf").write_text(NGINX.format(user=user, home=home, port=port))
    process = await asyncio.create_subprocess_exec(
        "nginx",
        "-p",
        str(home),
        "-c",
        str(home / "nginx.conf"),
        "-e",
        str(home / "error.log"),
    )
    try:
        for _ in range(300):
            try:
                (await RawClient.connect(("127.0.0.1", port))).close()
                break
            except ConnectionRefusedError:
                assert process.returncode is None, (home / "error.log").read_text()
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@nginx_wanted
async def test_nginx_is_passed_on_as_it_is(tmp_path: Path) -> None:
    async with nginx(tmp_path) as server, proxied(server) as proxy, await proxy.connect() as client:
        whole = await client.ask(get("/files/big"))
        assert (whole.status, whole.body) == (200, BODY)
        assert (whole.value("Server") or b"").startswith(b"nginx")
        part = await client.ask(get("/files/big", b"Range: bytes=10-19\r\n"))
        assert (part.status, part.body) == (206, BODY[10:20])
        etag = whole.value("ETag") or b""
        same = await client.ask(get("/files/big", b"If-None-Match: %s\r\n" % etag))
        assert (same.status, same.body) == (304, b"")
        assert (await client.ask(get("/status"))).body == b"teapot\n"
        assert (await client.ask(get("/moved"))).status == 301
        zipped = await client.ask(get("/zipped/big", b"Accept-Encoding: gzip\r\n"))
        assert (zipped.framing, zipped.value("Content-Encoding")) == ("chunked", b"gzip")
        head = await client.ask(b"HEAD /files/big HTTP/1.1\r\nHost: a\r\n\r\n")
        assert head.value("Content-Length") == b"%d" % len(BODY)
