"""Clients that offer another protocol, run for real: curl --http2, Java's HttpClient, docker exec.

The engine behind docker's client is a few lines that speak what it asks for.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.edge.connections import Tracked
from tests.support.message import OK, length
from tests.support.proxy import Proxy, fronted, proxied

PATIENCE = 60.0
ASK = ["wait-body", OK]

JAVA = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            for (String body : new String[] {"", "hello"}) {
                HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(words[0]));
                if (!body.isEmpty()) request.POST(HttpRequest.BodyPublishers.ofString(body));
                HttpResponse<String> reply =
                    client.send(request.build(), HttpResponse.BodyHandlers.ofString());
                System.out.println(reply.statusCode() + " " + reply.body());
            }
        }
    }
}
"""


def missing(*tools: str) -> bool:
    """Whether one of these is not installed."""
    return any(shutil.which(tool) is None for tool in tools)


def no_http2() -> bool:
    """Whether there is no curl that knows HTTP/2."""
    return (
        missing("curl")
        or b"HTTP2"
        not in subprocess.run(["curl", "--version"], capture_output=True, check=False).stdout
    )


async def run(*words: str, **environment: str) -> str:
    """What a program writes to standard output; it has to end well."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors
    return output.decode()


def url(proxy: Proxy) -> str:
    return f"http://{proxy.runtime.http[0]}/"


@pytest.mark.skipif(no_http2(), reason="no curl that knows HTTP/2")
async def test_curl_with_http2_keeps_its_connection() -> None:
    async with fronted(ASK) as (upstream, proxy):
        words = ("curl", "--silent", "--http2", "--write-out", " %{http_code} %{num_connects}\n")
        output = await run(*words, *[url(proxy)] * 3)
        assert output == "ok 200 1\nok 200 0\nok 200 0\n"
        posted = await run(*words, "--data", "hello", *[url(proxy)] * 2)
        assert posted == "ok 200 1\nok 200 0\n"
        assert [request.head.values("Upgrade") for request in upstream.requests] == [[]] * 5


class Counted(set[Tracked]):
    """Client connections, and how many there have been."""

    added = 0

    def add(self, connection: Tracked) -> None:
        """One more."""
        self.added += 1
        super().add(connection)


@pytest.mark.skipif(missing("java", "javac"), reason="Java is not installed")
async def test_java_keeps_its_connection(tmp_path: Path) -> None:
    source = tmp_path / "Ask.java"
    source.write_text(JAVA)
    async with fronted(ASK) as (upstream, proxy):
        connections = Counted()
        proxy.runtime._tracker.connections = connections
        assert await run("java", str(source), url(proxy)) == "200 ok\n" * 6
        assert connections.added == 1
        assert [request.body for request in upstream.requests] == [b"", b"hello"] * 3


EXEC = {
    rb"(HEAD|GET) /_ping ": [
        b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nOstype: linux\r\nContent-Length: 2\r\n\r\nOK"
    ],
    rb"GET \S*/containers/box/json ": [
        length(json.dumps({"Id": "box", "State": {"Running": True}, "Config": {}}).encode())
    ],
    rb"POST \S*/containers/box/exec ": [length(b'{"Id":"e1"}', b"201 Created")],
    rb"GET \S*/exec/e1/json ": [length(b'{"ID":"e1","Running":false,"ExitCode":0}')],
}
SWITCH = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
)


class Engine:
    """As much of a docker engine as ``docker exec`` asks for."""

    def __init__(self) -> None:
        self.started: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                declared = re.search(rb"(?i)content-length: *([0-9]+)", head)
                body = await reader.readexactly(int(declared[1])) if declared else b""
                if b"/exec/e1/start " in head:
                    assert re.search(rb"(?im)^upgrade: tcp\r$", head)
                    self.started.append(body)
                    text = b"hello from the box\n"
                    writer.write(SWITCH + b"\x01\0\0\0" + len(text).to_bytes(4, "big") + text)
                    return
                for line, replies in EXEC.items():
                    if re.match(line, head):
                        reply = replies[0]
                        end = reply.index(b"\r\n\r\n") + 4
                        writer.write(reply[:end] if head.startswith(b"HEAD") else reply)
                        break
                else:
                    writer.write(length(b"{}", b"404 Not Found"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.mark.skipif(missing("docker"), reason="docker's client is not installed")
async def test_docker_exec_gets_its_stream(tmp_path: Path) -> None:
    engine = Engine()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with proxied(f"http://127.0.0.1:{port}") as proxy:
            output = await run(
                "docker", "--config", str(tmp_path), "exec", "box", "echo",
                DOCKER_HOST=f"tcp://{proxy.runtime.http[0]}",
            )  # fmt: skip
            assert output == "hello from the box\n"
    (started,) = engine.started
    assert json.loads(started)["Detach"] is False
