"""The configuration of the proxy: every middleware, several routes and upstreams."""

from collections.abc import Sequence
from typing import Final

from benchmarks.chaos.plan import HEDGE_DELAY

_TEXT: Final = """
[server]
listen = ["127.0.0.1:0", "unix:{listen}"]
workers = {workers}
request_headers_timeout = "3s"
body_idle_timeout = "3s"
write_idle_timeout = "3s"
keepalive_timeout = "5s"
server_timing = true
[shutdown]
grace_period = "10s"
[admin]
listen = "127.0.0.1:0"
[timeouts]
queue = "3s"
connect = "2s"
first_byte = "4s"
idle = "3s"
total = "20s"
tunnel_idle = "5s"
[retry]
on = ["connect-failure", "stale-connection"]
[circuit_breaker]
base_ejection_time = "300ms"
max_ejection_time = "1s"

[[upstreams]]
name = "three"
servers = [{three}]
keepalive_timeout = "2s"
[upstreams.load_balance]
policy = "peak_ewma"
[upstreams.health_check]
path = "/health"
interval = "500ms"
timeout = "1s"

[[upstreams]]
name = "queued"
servers = [{queued}]
keepalive_timeout = "2s"
[upstreams.load_balance]
policy = "least_request"
[upstreams.concurrency]
max_requests = 6
[upstreams.queue]
size = 20

[[upstreams]]
name = "adaptive"
servers = [{adaptive}]
dns_ttl = "1s"
keepalive_timeout = "2s"
[upstreams.concurrency]
max_requests = 50
adaptive = "gradient"
[upstreams.queue]
order = "lifo"

[[upstreams]]
name = "one"
servers = ["unix:{unix}"]
keepalive_timeout = "2s"
limit = 40

[[routes]]
path = "/plain"
upstream = "one"

[[routes]]
path = "/retry"
upstream = "three"
[routes.retry]
on = ["connect-failure", "stale-connection", "reset", "timeout", "500", "502", "503"]
max_body = "16KiB"
budget = {{ percent = 200.0 }}
[routes.stream]
commit = "body:64KiB"

[[routes]]
path = "/hedge"
upstream = "three"
[routes.hedge]
delay = "{hedge}ms"
max = 2
budget_percent = 100.0

[[routes]]
path = "/shared"
upstream = "three"
[routes.coalesce]

[[routes]]
path = "/rate"
upstream = "adaptive"
[routes.rate_limit]
average = 200.0
max_wait = "500ms"
learn = true

[[routes]]
path = "/queue"
upstream = "queued"

[[routes]]
path = "/adaptive"
upstream = "adaptive"
[routes.stream]
commit = "first_chunk"

[[routes]]
path = "/deadline"
upstream = "queued"
[routes.deadline]

[[routes]]
path = "/fallback"
upstream = "one"
fallback = ["three", "queued"]
[routes.retry]
max_body = "4KiB"

[[routes]]
path = "/events"
upstream = "three"
[routes.stream]
heartbeat = "50ms"
on_error = "event"
resume = "2s"

[[routes]]
path = "/tunnel"
upstream = "three"

[[routes]]
path = "/all"
upstream = "queued"
fallback = ["three"]
[routes.retry]
on = ["connect-failure", "stale-connection", "reset", "timeout", "429", "500", "503"]
max_body = "64KiB"
budget = {{ percent = 200.0 }}
[routes.hedge]
delay = "{hedge}ms"
budget_percent = 100.0
[routes.coalesce]
[routes.deadline]
[routes.rate_limit]
average = 500.0
max_wait = "500ms"
learn = true
[routes.stream]
commit = "body:64KiB"
heartbeat = "50ms"
on_error = "event"
resume = "2s"
[routes.request_headers]
set = {{ X-Chaos-Client = "{{client_addr}}" }}
"""
_UPSTREAMS: Final = {"three": (0, 1, 2), "queued": (2, 3), "adaptive": (3,)}
SERVERS: Final = 4


def config(ports: Sequence[int], unix: str, listen: str, workers: int = 1) -> str:
    """The file, for servers on these ports and at this unix socket, and a socket to listen on."""

    def urls(numbers: tuple[int, ...]) -> str:
        return ", ".join(f'"http://127.0.0.1:{ports[number]}"' for number in numbers)

    lists = {name: urls(numbers) for name, numbers in _UPSTREAMS.items()}
    # A name with addresses of both families, where the machine has them.
    lists["adaptive"] = lists["adaptive"].replace("127.0.0.1", "localhost")
    hedge = round(HEDGE_DELAY * 1000)
    return _TEXT.format(hedge=hedge, unix=unix, listen=listen, workers=workers, **lists)
