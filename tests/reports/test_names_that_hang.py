"""A name whose look-up hangs harms nobody else: no other upstream, no listener, no end.

libuv looks names up in two threads (libuv/libuv#1436): two zones whose servers do not answer stop
all that needs a look-up in the same process.
"""

from pathlib import Path

from tests.support.message import OK, get
from tests.support.names import system_names
from tests.support.process import started
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

NONE_KEPT = {"keepalive_timeout": "0", "dns_ttl": "0"}
HANGING = tuple(f"h{number}.test" for number in range(4))


async def test_others_are_answered_and_a_reload_listens() -> None:
    with system_names(good=["127.0.0.1"]) as names:
        names.hang(*HANGING)
        others = [{"name": host, "servers": [f"http://{host}"]} for host in HANGING]
        async with RawUpstream([OK]) as upstream:
            url = upstream.url.replace("127.0.0.1", "good.test")
            routes = [{"path": f"/{host}", "upstream": host} for host in HANGING]
            async with proxied(
                url,
                upstream_options=NONE_KEPT,
                others=others,
                routes=[*routes, {"upstream": "api"}],
                timeouts={"connect": "60s"},
            ) as proxy:
                for host in HANGING:
                    await names.begun(host)
                for _ in range(3):
                    assert (await proxy.ask(get())).status == 200
                await proxy.reload(
                    server={"listen": ["127.0.0.1:0", "127.0.0.2:0"]},
                    upstream_options={"servers": [url], **NONE_KEPT},
                )
                assert len(proxy.runtime.http) == 2
                assert (await proxy.ask(get())).status == 200


HANGS = """
import socket, sys, threading
system = socket.getaddrinfo
def getaddrinfo(host, *more, **named):
    if host == "api.test":
        print("looking up", host, file=sys.stderr, flush=True)
        threading.Event().wait()
    return system(host, *more, **named)
socket.getaddrinfo = getaddrinfo
"""


async def test_the_end_waits_for_no_look_up(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    config = tmp_path / "config.toml"
    config.write_text(
        '[server]\nlisten = "127.0.0.1:0"\n[shutdown]\ngrace_period = "1s"\n'
        '[[upstreams]]\nname = "api"\nservers = ["http://api.test"]\n'
        '[[routes]]\nupstream = "api"\n'
    )
    async with started("run", str(config), PYTHONPATH=f"{tmp_path}:{Path.cwd()}") as process:
        await process.line("looking up")
        assert await process.stopped() == 0
