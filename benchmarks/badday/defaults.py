"""What each proxy is told where its operator has written the servers and nothing else.

What stands beside the servers here is only what the benchmark needs: a port, no log, descriptors.
"""

from pathlib import Path
from typing import Final

_NGINX: Final = """
daemon off;
master_process off;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream api {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_set_header Host $http_host;
            proxy_pass http://api;
        }}
    }}
}}
"""
# HAProxy warns where these three are missing; they are those of Debian's own file.
_HAPROXY: Final = """
global
    nbthread 1
    maxconn 6000
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend clients
    bind 127.0.0.1:{port}
    default_backend api
backend api
    {servers}
"""
_CADDY: Final = """
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
:{port} {{
    bind 127.0.0.1
    reverse_proxy {servers}
}}
"""
_PROXY: Final = """
{more}
[server]
listen = "127.0.0.1:{port}"
[log]
access = false
[[upstreams]]
name = "api"
servers = [{servers}]
"""
_CONNECTIONS: Final = 4000


def nginx(folder: Path, port: int, servers: list[str], files: int) -> Path:
    """In turn; a server that fails once is left alone for ten seconds."""
    text = _NGINX.format(
        folder=folder,
        port=port,
        files=files,
        connections=min(_CONNECTIONS, files - 100),
        servers=" ".join(f"server {server};" for server in servers),
    )
    return _written(folder / "nginx.conf", text)


def haproxy(folder: Path, port: int, servers: list[str]) -> Path:
    """In turn; three more tries to connect, a second apart."""
    lines = "\n    ".join(f"server api{n} {server}" for n, server in enumerate(servers))
    return _written(folder / "haproxy.cfg", _HAPROXY.format(port=port, servers=lines))


def caddy(folder: Path, port: int, servers: list[str]) -> Path:
    """By chance; nothing is tried again."""
    return _written(folder / "Caddyfile", _CADDY.format(port=port, servers=" ".join(servers)))


def proxy(folder: Path, port: int, servers: list[str], more: str = "") -> Path:
    """This proxy, with ``more`` tables of the top."""
    urls = ", ".join(f'"http://{server}"' for server in servers)
    text = _PROXY.format(port=port, servers=urls, more=more)
    return _written(folder / "proxy.toml", text)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
