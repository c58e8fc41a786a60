"""A fixed reply that comes when its client has been given a stream is no word of the upstream's."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.event_wire import ACCEPT
from tests.support.message import get, length
from tests.support.proxy import dialled
from tests.support.upstream import Script

BUSY: Script = [length(b"no", b"503 Busy")]
OWN: Script = [length(b'{"error": {"message": "full", "type": "busy"}}', b"503 Busy")]
LAST = re.compile(rb"data: (\{.*\})\n\n")
CASES: list[tuple[Script, str, dict[str, Any], dict[str, Any]]] = [
    # what the upstream does, token, tables, what the last event has
    (BUSY, "destination_unavailable", {}, {"status": 503, "detail": "the upstream answered 503"}),
    (
        ["fin"],
        "connection_terminated",
        {},
        {"status": 502, "detail": "The upstream ended the connection before it replied."},
    ),
    (
        ["hold"],
        "http_response_timeout",
        {"timeouts": {"first_byte": "300ms"}},
        {"status": 504, "detail": "No reply came from the upstream in time."},
    ),
    (
        OWN,
        "destination_unavailable",
        {"stream": {"heartbeat": "20ms", "on_error": "openai"}},
        {"error": {"message": "full", "type": "busy"}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=["503", "ended", "silent", "own"])
@pytest.mark.parametrize("shared", [{}, {"coalesce": {}}, {"cache": {}}], ids="-".join)
@pytest.mark.parametrize("fixed", [200, 503])
async def test_what_it_stands_in_for_is_told(
    case: tuple[Script, str, dict[str, Any], dict[str, Any]],
    shared: dict[str, Any],
    fixed: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The last event said that the upstream had answered with the file of the proxy's own."""
    late, token, tables, last = case
    caplog.set_level("INFO")
    file = tmp_path / "sorry.json"
    file.write_bytes(b'{"sorry": true}')
    options: dict[str, Any] = {
        "stream": {"heartbeat": "20ms"},
        "retry": {"attempts": 1},
        "routes": [{"upstream": "api", "fallback": {"status": fixed, "file": str(file)}}],
    }
    go = asyncio.Event()
    async with dialled(
        ["wait-body", go, *late],
        **options | tables | shared,
    ) as (upstream, proxy, client):
        await client.send(get(fields=ACCEPT))
        await client.read_until(b": heartbeat\n\n")
        go.set()
        found = LAST.search(await client.rest())
        assert found is not None
        assert last.items() <= json.loads(found[1]).items()
        exchange = await proxy.record()
        assert (exchange.status, exchange.error) == (200, token)
        [line] = [each for each in caplog.records if hasattr(each, "request_id")]
        assert vars(line)["error"] == token
        assert upstream.url in line.message
        assert (await proxy.ask(get())).status == fixed  # without a stream
        assert (await proxy.record(1)).error == token
