"""What each proxy is told for the day: the same patience for all, and the best it can do with it.

One try may take 800 ms, all of them 2.9 s where that can be said; connections are tried for
300 ms. A GET goes to another endpoint after a failed connection, a reset, a timeout, 502, 503 or
504; a POST only where nothing was sent, hence its one try may take 2.8 s, but for this proxy, which
makes no difference here. One file per proxy, for all profiles; comments say what was tried.
"""

from typing import Final

from benchmarks.badday.files import Templates

# It buffers whole replies, but has sent the head by then.
# No passive ejection: the count of max_fails falls only after a second without failures, which a
# bad day does not have. At 15 all endpoints are ejected at once time and again ("no live
# upstreams"): 90 % good instead of 98.7 %, against 0.1 % gained in a partition.
_NGINX: Final = """
daemon off;
master_process off;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream api {{
        least_conn;
        {servers}
        keepalive 256;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_connect_timeout 300ms;
        proxy_next_upstream error timeout invalid_header http_502 http_503 http_504;
        proxy_next_upstream_timeout 2900ms;
        error_page 418 = @once;
        location / {{
            if ($request_method = POST) {{ return 418; }}
            proxy_pass http://api;
            proxy_read_timeout 800ms;
        }}
        location @once {{
            proxy_pass http://api;
            proxy_read_timeout 2800ms;
        }}
    }}
}}
"""
# The only one with health checks: without them it does not watch replies either.
_HAPROXY: Final = """
global
    nbthread 1
    maxconn 6000
defaults
    mode http
    timeout connect 300ms
    timeout client 60s
    timeout http-keep-alive 75s
    timeout server 800ms
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response junk-response response-timeout 502 503 504
frontend clients
    bind 127.0.0.1:{port}
    default_backend api
backend api
    balance leastconn
    http-reuse safe
    http-request disable-l7-retry if METH_POST
    http-request set-timeout server 2800ms if METH_POST
    option httpchk GET /small
    timeout check 800ms
    default-server check inter 1s rise 1 fall 2 observe layer7 error-limit 3 on-error mark-down
    {servers}
"""
# Failures of both handlers are counted together, by address.
# Five failures within a second: three are a matter of luck on a bad day, fifteen come late. A POST
# whose connection was refused is not tried elsewhere, as its body is closed by then, and with
# buffer_requests it is empty.
# This version repeats errors only. A status can be answered with another handler, and that may be
# a proxy of the same endpoints: three tries, one within the other.
_CADDY: Final = """
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
(api) {{
    to {servers}
    lb_policy least_conn
    lb_try_duration 2s
    lb_try_interval 20ms
    fail_duration 1s
    max_fails 5
    transport http {{
        dial_timeout 300ms
        response_header_timeout {{args.0}}
        keepalive_idle_conns_per_host 256
    }}
}}
(third) {{
    reverse_proxy {{
        import api 800ms
    }}
}}
(second) {{
    reverse_proxy {{
        import api 800ms
        @failed status 502 503 504
        handle_response @failed {{
            import third
        }}
    }}
}}
:{port} {{
    bind 127.0.0.1
    @once method POST
    reverse_proxy @once {{
        import api 2800ms
    }}
    reverse_proxy {{
        import api 800ms
        @failed status 502 503 504
        handle_response @failed {{
            import second
        }}
    }}
}}
"""
# Replies are held until 64 KiB of them are here, and so can be asked for again.
_PROXY: Final = """
{more}
[server]
listen = "127.0.0.1:{port}"
[log]
access = false
[timeouts]
connect = "300ms"
per_try = "800ms"
first_byte = "2500ms"
total = "2900ms"
[retry]
attempts = 4
on = ["connect-failure", "stale-connection", "reset", "timeout", "502", "503", "504"]
backoff_base = "20ms"
[circuit_breaker]
consecutive_failures = 3
base_ejection_time = "1s"
max_ejection_time = "1s"
[load_balance]
policy = "peak_ewma"
[stream]
commit = "body:64KiB"
[[upstreams]]
name = "api"
servers = [{servers}]
[[routes]]
upstream = "api"
"""
TUNED: Final = Templates(_NGINX, _HAPROXY, _CADDY, _PROXY, nginx_server=" max_fails=0")
