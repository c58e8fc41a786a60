"""What nginx, HAProxy, Caddy and the proxy are told: one thread each, an access log or none."""

from pathlib import Path
from typing import Final

from benchmarks.armed import TOGETHER
from benchmarks.load.servers.upstream import SMALL

# Directories of its own: the packages' ones belong to the system's nginx. One process does what
# "worker_processes 1" would do, and ends with its parent.
_NGINX: Final = """
daemon off;
master_process off;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
    access_log {access};
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {rest}
}}
"""
_FILES: Final = """
    open_file_cache max=10;
    server {{
        listen 127.0.0.1:{port} backlog=8192;
        listen 127.0.0.2:{port} backlog=8192;
        listen 127.0.0.3:{port} backlog=8192;
        root {root};
        default_type application/octet-stream;
        location /varied {{
            default_type application/json;
            add_header ETag '"$request_id"';
            add_header X-Request-Id $request_id;
            add_header X-Runtime $msec;
            add_header Vary Accept-Encoding;
            return 200 '{small}';
        }}
        location = /small {{ default_type application/json; return 200 '{small}'; }}
    }}
"""
_FORWARD: Final = """
    client_max_body_size 0;
    upstream api {{
        server {upstream};
        keepalive 1024;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=8192;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        location / {{ proxy_pass http://api; }}
        location /events {{ proxy_pass http://api; proxy_buffering off; }}
    }}
"""
_HAPROXY: Final = """
global
    nbthread 1
    maxconn 6000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
{log}
    http-reuse always
frontend clients
    bind 127.0.0.1:{port} backlog 8192
    use_backend events if {{ path /events }}
    default_backend api
backend api
    server api {upstream}
backend events
    option http-no-delay
    server api {upstream}
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
    {log}
    reverse_proxy {upstream} {{
        transport http {{
            keepalive_idle_conns 8192
            keepalive_idle_conns_per_host 8192
        }}
    }}
}}
"""
_PROXY: Final = """
[server]
listen = "127.0.0.1:{port}"
[log]
access = {access}
{tables}
[[upstreams]]
name = "api"
servers = [{servers}]
{upstream}
[[routes]]
upstream = "api"
"""
_CONNECTIONS: Final = 12000


def nginx_upstream(folder: Path, port: int, files: int) -> Path:
    """nginx that answers /small, and serves the files of ``folder``."""
    rest = _FILES.format(port=port, root=folder, small=SMALL.decode())
    return _nginx(folder / "upstream", rest, files)


def nginx(folder: Path, port: int, upstream: str, files: int, *, access: bool) -> Path:
    """nginx as a proxy, with its default buffering."""
    rest = _FORWARD.format(port=port, upstream=upstream)
    # Its lines in batches, as ours are.
    log = f"{folder}/access.log combined buffer=64k flush=1s" if access else "off"
    return _nginx(folder, rest, files, log)


def _nginx(folder: Path, rest: str, files: int, access: str = "off") -> Path:
    folder.mkdir(exist_ok=True)
    connections = min(_CONNECTIONS, files - 100)
    text = _NGINX.format(
        folder=folder, files=files, connections=connections, rest=rest, access=access
    )
    return _written(folder / "nginx.conf", text)


def haproxy(folder: Path, port: int, upstream: str, *, access: bool) -> Path:
    """HAProxy; its lines go to standard output, which is a file."""
    log = "    log stdout format raw local0\n    option httplog" if access else ""
    return _written(folder / "haproxy.cfg", _HAPROXY.format(port=port, upstream=upstream, log=log))


def caddy(folder: Path, port: int, upstream: str, *, access: bool) -> Path:
    """Caddy; its lines go to standard error, which is a file."""
    log = "log {\n        level INFO\n    }" if access else ""
    return _written(folder / "Caddyfile", _CADDY.format(port=port, upstream=upstream, log=log))


def proxy(folder: Path, port: int, upstream: str, *, access: bool) -> Path:
    """This proxy with its defaults: all clocks, retry armed."""
    return _proxy(folder, port, [upstream], access=access)


def armed(folder: Path, port: int, upstream: str) -> Path:
    """This proxy with all that a bad day wants, in front of three addresses of an nginx."""
    number = upstream.rpartition(":")[2]
    servers = [f"127.0.0.{last}:{number}" for last in (1, 2, 3)]
    return _proxy(folder, port, servers, access=True, parts=TOGETHER)


def _proxy(
    folder: Path,
    port: int,
    servers: list[str],
    *,
    access: bool,
    parts: tuple[str, str] = ("", ""),
) -> Path:
    tables, upstream = parts
    text = _PROXY.format(
        port=port,
        access=str(access).lower(),
        tables=tables,
        servers=", ".join(f'"http://{server}"' for server in servers),
        upstream=upstream,
    )
    return _written(folder / "proxy.toml", text)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
