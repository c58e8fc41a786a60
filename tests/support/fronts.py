"""nginx, HAProxy and Caddy before the proxy, with what the docs tell people to write."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.support.client import RawClient
from tests.support.upstream import closed_port

PAGE: Final = Path(__file__).parents[2] / "docs" / "fronts.md"
PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

_NGINX: Final = """
{user}
daemon off; master_process off; pid {home}/pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  {part}
}}
"""
_CADDY: Final = "{{\n    admin off\n    auto_https off\n}}\n{part}"
FRONTS: Final = {
    # name: what stands around the part of the page, and how it is started
    "nginx": (_NGINX, ("nginx", "-p", "{home}", "-e", "stderr", "-c", "{file}")),
    "haproxy": ("{part}", ("haproxy", "-q", "-db", "-f", "{file}")),
    "caddy": (_CADDY, ("caddy", "run", "--adapter", "caddyfile", "--config", "{file}")),
}


def installed(name: str) -> bool:
    """Whether it is here; system programs may be out of a user's path."""
    return shutil.which(name, path=PATH) is not None


def part(language: str, section: str = "") -> str:
    """The first block of the page, or of this section of it, in this language."""
    text = PAGE.read_text().partition(f"\n## {section}")[2] if section else PAGE.read_text()
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@asynccontextmanager
async def front(
    name: str, home: Path, proxy: str, text: str = ""
) -> AsyncIterator[tuple[str, int]]:
    """It runs as the page says, before ``proxy``; or as ``text`` says."""
    around, command = FRONTS[name]
    port = closed_port()
    inner = text or part(name)
    inner = inner.replace(":8000", f":{port}").replace("127.0.0.1:8080", proxy)
    user = "" if os.geteuid() else "user root;"
    file = home / "front.conf"
    file.write_text(around.format(home=home, part=inner, user=user))
    words = [word.format(home=home, file=file) for word in command]
    kept = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with (home / "errors").open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            *words, env={**os.environ, **kept, "PATH": PATH}, stdout=errors, stderr=errors
        )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    (await RawClient.connect(("127.0.0.1", port))).close()
                    break
                except ConnectionRefusedError:
                    assert process.returncode is None, (home / "errors").read_text()
                    await asyncio.sleep(0.01)
        yield "127.0.0.1", port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
