"""Configuration files, from the templates of somebody who has tuned all and of one who has not."""

from pathlib import Path
from typing import Final, NamedTuple

_CONNECTIONS: Final = 4000


class Templates(NamedTuple):
    """The text for each proxy; ``{servers}`` and ``{port}`` are filled in."""

    nginx: str
    haproxy: str
    caddy: str
    proxy: str
    """For this one; ``{more}`` stands for further tables."""
    nginx_server: str = ""
    """Parameters behind each server of nginx."""


def nginx(templates: Templates, folder: Path, port: int, servers: list[str], files: int) -> Path:
    """With so many descriptors."""
    text = templates.nginx.format(
        folder=folder,
        port=port,
        files=files,
        connections=min(_CONNECTIONS, files - 100),
        servers=" ".join(f"server {server}{templates.nginx_server};" for server in servers),
    )
    return _written(folder / "nginx.conf", text)


def haproxy(templates: Templates, folder: Path, port: int, servers: list[str]) -> Path:
    """One server a line, with a name of its own."""
    lines = "\n    ".join(f"server api{n} {server}" for n, server in enumerate(servers))
    return _written(folder / "haproxy.cfg", templates.haproxy.format(port=port, servers=lines))


def caddy(templates: Templates, folder: Path, port: int, servers: list[str]) -> Path:
    """All servers in one line."""
    text = templates.caddy.format(port=port, servers=" ".join(servers))
    return _written(folder / "Caddyfile", text)


def proxy(
    templates: Templates, folder: Path, port: int, servers: list[str], more: str = ""
) -> Path:
    """This proxy, with ``more`` tables of the top."""
    urls = ", ".join(f'"http://{server}"' for server in servers)
    text = templates.proxy.format(port=port, servers=urls, more=more)
    return _written(folder / "proxy.toml", text)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
