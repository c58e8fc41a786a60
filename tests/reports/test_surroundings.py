"""Whatever a process is started with, it serves and stops as ever.

Reported for servers of all kinds: checks that an optimised interpreter leaves out, requests that
went to the proxy that the environment names for clients, names and times that no locale knows, and
signals that whoever started the process had ignored (``nohup``, a shell's ``&``).
"""

import signal
from typing import Any

import pytest

from tests.support.message import get, post
from tests.support.process import started
from tests.support.upstream import RawUpstream

NOBODY = "http://127.0.0.1:1"
SURROUNDINGS: dict[str, dict[str, Any]] = {
    "optimised": {"PYTHONOPTIMIZE": "2"},
    "a proxy for clients": {"HTTP_PROXY": NOBODY, "http_proxy": NOBODY, "ALL_PROXY": NOBODY},
    "no locale, no zone, no places": {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "TZ": "Nowhere/Land",
        "TMPDIR": "/nonexistent",
        "HOME": "/nonexistent",
        "NOTIFY_SOCKET": "/nonexistent/notify",
    },
    "signals ignored, umask, no directory": {
        "prefix": "trap '' TERM HUP INT PIPE; umask 777; cd $(mktemp -d) && rmdir $PWD"
    },
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS.values(), ids=SURROUNDINGS)
async def test_it_serves_and_stops_as_ever(surroundings: dict[str, Any]) -> None:
    body = b"x" * (2 << 20)  # more than is kept in memory for another try
    async with RawUpstream() as upstream:
        arguments = ("run", "--upstream", upstream.url, "--listen", "127.0.0.1:0")
        async with started(*arguments, **surroundings) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                assert (await client.ask(get("/caf%C3%A9"))).status == 200
                assert (await client.ask(post(body, method=b"PUT"))).status == 200
                proxy.process.send_signal(signal.SIGHUP)
                assert (await client.ask(get())).status == 200
            assert len(upstream.requests) == 3
            assert upstream.requests[1].body == body
            assert await proxy.stopped() == 0
