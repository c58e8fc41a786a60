"""What each proxy is told where its operator has written the servers and nothing else.

What stands beside the servers here is only what the benchmark needs: a port, no log, descriptors.
"""

from typing import Final

from benchmarks.badday.files import Templates

# In turn; a server that fails once is left alone for ten seconds.
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
# In turn; three more tries to connect, a second apart.
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
# By chance; nothing is tried again.
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
NOTHING_TUNED: Final = Templates(_NGINX, _HAPROXY, _CADDY, _PROXY)
