"""Who is refused in the midst of an upload may end it, and reads the reply then.

A client that reads only behind its upload was reset a second after it had been refused: it saw a
broken pipe, and no reply. nginx reads on for as long as something comes, up to 30 seconds.
"""

import pytest

from proxy.edge.http1 import write_stall as writing
from tests.support.message import length
from tests.support.proxy import dialled

PATIENCE = 30.0
SIZE = 40 << 20
"""Bytes; more than the kernel holds for one connection."""
REFUSED = length(b"too large", b"413 Content Too Large")

CASES = {
    "the server refuses": ("/", {}),
    "we refuse its size": ("/", {"max_body": "1MiB"}),
    "we refuse its target": ("/../", {}),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_client_that_reads_behind_its_upload_has_its_reply(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LINGER", 0.01)
    monkeypatch.setattr(writing, "UPLOADING", 0)  # a busy machine may take any time between two
    target, server = CASES[name]
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n".encode()
    async with dialled([REFUSED, "fin"], server=server) as (_, proxy, client):
        await client.send(head)
        for _ in range(SIZE >> 18):
            await client.send(b"x" * (1 << 18))
            await proxy.breathe()
        response = await client.receive(patience=PATIENCE)
        assert response.status == (413 if target == "/" else 400)
        assert response.ended == "complete"


async def test_what_comes_behind_a_refusal_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LINGER", 1000.0)
    async with dialled(server={"max_body": "1KiB"}) as (_, proxy, client):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n")
        assert (await client.receive(patience=PATIENCE)).status == 413
        (connection,) = proxy.runtime._tracker.connections
        await client.send(b"x" * 9999)
        while connection.ignored < 9999:  # type: ignore[attr-defined]
            await proxy.breathe()
        assert connection._ignored() == 9999  # type: ignore[attr-defined]
        assert connection._ignored() == 0  # type: ignore[attr-defined]
        client.close()
