"""What ``sidecar-proxy explain`` prints, for its tests."""

from collections.abc import Callable

Told = Callable[..., str]

UPSTREAMS = """
[[upstreams]]
name = "api"
servers = ["https://api.example.com", { url = "http://10.0.0.2:9000", weight = 2, backup = true }]
credentials = { header = "Authorization", value = "Bearer abcdefghijk" }
[[upstreams]]
name = "b"
servers = ["http://10.0.0.1"]
"""
SEVERAL = f"""[retry]
attempts = 4
{UPSTREAMS}
[[routes]]
path = "/v1"
upstream = "api"
strip_prefix = "/v1"
fallback = ["b"]
[routes.retry]
on = ["503"]
[[routes]]
path = "/v1/x"
methods = ["POST"]
upstream = "b"
[[routes]]
host = "*.example.com"
upstream = "b"
retry = false
"""
