"""What ``check`` said ok to although it could never work; and what it refused for a default."""

from pathlib import Path

import pytest

from proxy.config.load import load
from tests.support.checking import said

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = '[[routes]]\nupstream = "api"\n'
BOTH = API + ROUTE
KEY = "[upstreams.credentials]\n"


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [
        (BOTH + 'path = "/v1/*"', "routes[0].path", "'/v1'"),
        (BOTH + 'path = "/v1/**"', "routes[0].path", "'/v1'"),
        (BOTH + 'path = "/u/{id}/x"', "routes[0].path", "path_regex = '/u/[^/]+/x'"),
        (BOTH + 'path = "/u/:id"', "routes[0].path", "path_regex = '/u/[^/]+'"),
        (BOTH + 'path = "/u/<id>"', "routes[0].path", "path_regex = '/u/[^/]+'"),
        (BOTH + 'path = "/v1/.*"', "routes[0].path", "path_regex = '/v1/.*'"),
        (BOTH + 'path = "/v1$"', "routes[0].path", "path_regex"),
        (BOTH + 'path = "/v1/*/x"', "routes[0].path", "path_regex = '/v1/[^/]+/x'"),
        (BOTH + 'strip_prefix = "/v1/*"', "routes[0].strip_prefix", "'/v1'"),
        (
            BOTH + 'path = "/a"\nstrip_prefix = "/b"',
            "routes[0].strip_prefix",
            "nothing is stripped",
        ),
        (
            '[rate_limit]\naverage = 2\nkey = "header:X-Api-Key"\n'
            + BOTH
            + 'request_headers = { remove = ["x-api-key"] }',
            "routes[0].request_headers",
            "so all are one client",
        ),
        (
            '[rate_limit]\naverage = 2\nkey = "header:X-Api-Key"\n'
            + BOTH
            + 'request_headers = { remove = ["X_Api_Key"] }',
            "routes[0].request_headers",
            "so all are one client",
        ),
        (
            BOTH + 'coalesce = {}\nrequest_headers.set.X-Corr = "a-{request_id}"',
            "routes[0].request_headers.set.X-Corr",
            "no two requests are equal",
        ),
        (
            BOTH + 'stream.resume = "5s"\nrequest_headers.add.X-Corr = "{request_id}"',
            "routes[0].request_headers.add.X-Corr",
            "[stream] resume finds a lost stream by an equal one",
        ),
        (
            BOTH + 'cors.allow_origins = ["*"]\nresponse_headers.set.access-control-max-age = "5"',
            "routes[0].response_headers.set.access-control-max-age",
            "is left out",
        ),
        (
            BOTH + f"fallback = {{ status = 204, file = '{__file__}' }}",
            "routes[0].fallback.status",
            "the file is never sent",
        ),
        (API + 'dns_ttl = "1m"', "upstreams[0].dns_ttl", "no server is given by a name"),
        (
            API + "[admin]\nlisten = 'unix:/run/a'\nhosts = ['a.test']",
            "admin.hosts",
            "all names are taken",
        ),
        (BOTH + 'path_regex = "^/v1"', "routes[0].path_regex", "'^/v1(/.*)?'"),
        (BOTH + 'path_regex = "v1/.*"', "routes[0].path_regex", "'/v1/.*'"),
        (BOTH + "path_regex = '/a\\?b=.*'", "routes[0].path_regex", "no query"),
        (
            BOTH + 'rewrite = { pattern = "/a/(.*)", replacement = "/b$1" }',
            "routes[0].rewrite.replacement",
            "'/b\\1'",
        ),
        (BOTH + 'headers.X-A = "a*"', "routes[0].headers.X-A", '"*" alone'),
        (API + KEY + 'value = "$TOKEN"', "upstreams[0].credentials.value", '"${TOKEN}"'),
        (API + KEY + 'value = "Bearer $(TOKEN)"', "upstreams[0].credentials.value", '"${TOKEN}"'),
        (API + KEY + 'value = "Bearer %TOKEN%"', "upstreams[0].credentials.value", '"${TOKEN}"'),
        (
            API + KEY + 'value = "Bearer {{ TOKEN }}"',
            "upstreams[0].credentials.value",
            '"${TOKEN}"',
        ),
        (
            API + KEY + 'value = "Bearer ${NOPE:-}"',
            "upstreams[0].credentials.value",
            "nothing behind it",
        ),
        (API + KEY + 'value = "Bearer Bearer x"', "upstreams[0].credentials.value", "twice"),
        (
            API + KEY + 'value = "Authorization: x"',
            "upstreams[0].credentials.value",
            "Authorization",
        ),
        (
            BOTH + 'request_headers.set.Authorization = "Bearer "',
            "routes[0].request_headers.set.Authorization",
            "nothing behind it",
        ),
        (
            BOTH + 'request_headers.set.X-A = "$remote_addr"',
            "routes[0].request_headers.set.X-A",
            "{client_addr}",
        ),
        (
            API + '[[upstreams]]\nname = "b"\nservers = ["http://b"]\n' + ROUTE,
            "upstreams[1]",
            "no route uses 'b'",
        ),
        ('[timeouts]\nper_try = "20m"\n' + API, "timeouts.per_try", "first_byte (10m)"),
        (
            '[timeouts]\nper_try = "2s"\n[retry]\nattempts = 1\n' + API,
            "timeouts.per_try",
            "attempts above 1",
        ),
        ('[timeouts]\nqueue = "2s"\n' + API, "timeouts.queue", "[concurrency]"),
        ("[hedge]\n" + BOTH + 'methods = ["POST"]', "hedge", "POST"),
        (
            "[hedge]\n[retry]\nmethods = []\nidempotency_header = ''\n" + API,
            "hedge",
            "[retry] methods",
        ),
        ("[hedge]\nbudget_percent = 0\n" + API, "hedge", "no copy"),
        ("[hedge]\ndelay = '20m'\n" + API, "hedge.delay", "first_byte (10m)"),
        ("[queue]\n" + API, "queue", "[concurrency]"),
        (BOTH + "methods = ['POST']\ncoalesce = {}", "routes[0].coalesce", "only GET"),
        (BOTH + "methods = ['POST']\nstream.resume = '5s'", "routes[0].stream.resume", "only GET"),
        ("[load_balance]\nhash_key = 'path'\n" + API, "load_balance.hash_key", 'policy = "hash"'),
        ("[concurrency]\nmin = 2\n" + API, "concurrency.min", 'adaptive = "gradient"'),
        ("[circuit_breaker]\nconsecutive_failures = 0\n" + API, "circuit_breaker", "failure_ratio"),
        (
            "[circuit_breaker]\nmin_requests = 5\n" + API,
            "circuit_breaker.min_requests",
            "failure_ratio",
        ),
        (
            '[circuit_breaker]\ninterval = "1m"\n' + API,
            "circuit_breaker.interval",
            "failure_ratio",
        ),
        ("[retry]\nattempts = 1\non = ['503']\n" + API, "retry.on", "attempts = 1"),
        (
            "[retry]\nwait_for_connect = '1m'\n[timeouts]\ntotal = '30s'\nper_try = '0'\n" + API,
            "retry.wait_for_connect",
            "[timeouts] total (30s) ends the wait before",
        ),
        ("[retry]\nbackoff_base = '5s'\n" + API, "retry.backoff_base", "backoff_max (2s)"),
        ("[retry.budget]\npercent = 0.2\n" + API, "retry.budget.percent", "did you mean 20?"),
        (
            "[retry.budget]\npercent = 0\nmin_per_second = 0\n" + API,
            "retry.budget",
            "nothing is tried again",
        ),
        (BOTH + "methods = ['*']", "routes[0].methods[0]", "leave methods out to take all"),
        (BOTH + "methods = ['GET', '*']", "routes[0].methods[1]", "leave methods out"),
        ("[retry]\nmethods = ['GET', '*']\n" + API, "retry.methods[1]", "may be repeated"),
        (BOTH + "methods = ['ANY']", "routes[0].methods[0]", "leave methods out to take all"),
        (BOTH + "methods = ['GET', 'all']", "routes[0].methods[1]", '"all" is no sign'),
        ("[retry]\nmethods = ['ANY']\n" + API, "retry.methods[0]", "may be repeated"),
        ("[retry]\non = ['200', '503']\n" + API, "retry.on[0]", "200 is no failure"),
        ("[retry]\non = ['503', '2xx']\n" + API, "retry.on[1]", "2xx is no failure"),
        ("[retry]\non = ['304']\n" + API, "retry.on[0]", "304 is no failure"),
        ("[hedge]\nbudget_percent = 0.05\n" + API, "hedge.budget_percent", "mean 5?"),
        (
            "[load_balance]\npanic_threshold = 0.5\n" + API,
            "load_balance.panic_threshold",
            "did you mean 50?",
        ),
        (
            "[circuit_breaker]\nmax_ejection_percent = 0.5\n" + API,
            "circuit_breaker.max_ejection_percent",
            "did you mean 50?",
        ),
        ("[server]\nmax_header_size = '1B'\n" + API, "server.max_header_size", "least 256B"),
        ("[server]\nmax_header_size = '255B'\n" + API, "server.max_header_size", "least 256B"),
        (API + "host_header = 'upsteam'", "upstreams[0].host_header", "did you mean 'upstream'?"),
        (API + "host_header = 'Preserve'", "upstreams[0].host_header", "did you mean 'preserve'?"),
        ("[log]\naccess = false\nsample = 0.5\n" + API, "log.sample", "access = false"),
        ('[server]\nlisten = "127.0.0.1:9000"\n' + API, "upstreams[0].servers[0]", "508"),
        (
            '[[upstreams]]\nname = "a"\nservers = ["http://a:443"]',
            "upstreams[0].servers[0]",
            "'https://a:443'",
        ),
        (
            "[tracing]\nendpoint = 'http://c:4318/v1/traces'\n" + API,
            "tracing.endpoint",
            "did you mean 'http://c:4318'?",
        ),
        ("[server]\nunix_mode = '0600'\n" + API, "server.unix_mode", "unix socket"),
        (
            "[server]\ntrusted_proxies = ['unix']\n" + API,
            "server.trusted_proxies[0]",
            "unix socket",
        ),
    ],
)
def test_what_cannot_work_has_one_warning(
    tmp_path: Path, text: str, place: str, meant: str
) -> None:
    [line] = said(tmp_path, text)
    assert line.startswith(f"{place}: warning: ")
    assert meant in line
    load(tmp_path / "config.toml", {})  # and it runs nevertheless


@pytest.mark.parametrize(
    "text",
    [
        "[concurrency]\nmax_requests = 2\n" + API,
        "[deadline]\nmax = '20ms'\n" + API,
        API + "[upstreams.concurrency]\nmax_requests = 2\n",
        BOTH + "[routes.deadline]\nmax = '10ms'\n",
        # unusual, and right
        "[server]\nmax_header_size = '0'\n" + API,
        "[server]\nmax_header_size = '256B'\n" + API,
        API + "host_header = 'stream.internal'",
        BOTH + "path = '/odata/$metadata'",
        BOTH + "path = '/odata/Products(1)'",
        BOTH + "path_regex = '^/v1/.*'",
        BOTH + "path_regex = '/items/(\\d+)$'",
        BOTH + "path = '/v1/users'\nstrip_prefix = '/v1'",
        API + KEY + "value = 'pa$sw0rd'\nheader = 'X-Word'",
        API + KEY + "value = 'Token a$$b'",
        BOTH + "request_headers.set.X-A = '100%'",
        BOTH + "coalesce = {}\nrequest_headers.set.X-A = '{{request_id}} {client_addr}'",
        BOTH + "coalesce = {}\nrequest_headers.set.X-Correlation-ID = '{request_id}'",
        "[[upstreams]]\nname = 'a'\nservers = ['http://10.0.0.1', 'http://b']\ndns_ttl = '1m'",
        '[timeouts]\nper_try = "2s"\n' + API,
        '[timeouts]\nper_try = "auto"\n' + API,
        "[timeouts]\nper_try = '2s'\n[retry]\nattempts = 1\n"
        "[[upstreams]]\nname = 'b'\nservers = ['http://b']\n" + BOTH + "fallback = ['b']",
        "[queue]\n[retry]\nwait_for_connect = '1m'\n" + API,
        "[queue]\n" + BOTH + "retry.wait_for_connect = '1m'",
        "[hedge]\n" + BOTH + 'methods = ["GET", "POST"]',
        "[retry]\nidempotency_header = 'X-Key'\n[hedge]\n" + BOTH + 'methods = ["POST"]',
        "[tracing]\nendpoint = 'https://c/otlp/'\n" + API,
        "[retry]\non = ['202', '302', '4xx', 'reset']\n" + API,
        "[admin]\nlisten = 'localhost:9901'\n" + API,
        "[admin]\nlisten = '[::1]:9901'\n" + API,
        "[admin]\nlisten = '9901'\nprobes = '0.0.0.0:9902'\n" + API,
        "[concurrency]\n[queue]\n[timeouts]\nqueue = '2s'\n" + API,
        BOTH + "fallback = { status = 204, file = '/dev/null' }",
    ],
)
def test_what_works_is_not_doubted(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []


@pytest.mark.parametrize(
    ("status", "warned"), [(301, True), (304, True), (200, False), (503, False)]
)
def test_a_file_redirects_nobody(tmp_path: Path, status: int, *, warned: bool) -> None:
    (tmp_path / "a.html").write_text("gone")
    file = tmp_path / "a.html"
    lines = said(tmp_path, f"{BOTH}fallback = {{ status = {status}, file = '{file}' }}")
    assert ["no Location" in line for line in lines] == [True] * warned


@pytest.mark.parametrize(
    ("listen", "warned"),
    [
        *(("127.0.0.1:9901", True), ("[::1]:9901", True), ("unix:/run/a", True), (":9901", False)),
        *(("9901", True), ("LOCALHOST:9901", True)),
    ],
)
def test_a_token_that_nobody_is_asked_for(tmp_path: Path, listen: str, *, warned: bool) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    lines = said(tmp_path, f"{API}[admin]\nlisten = '{listen}'\ntoken_file = '{tmp_path}/token'")
    assert lines == [f"admin.token_file: warning: no token is asked for at {listen}"] * warned


def test_a_warning_about_credentials_does_not_show_them(tmp_path: Path) -> None:
    [line] = said(tmp_path, API + KEY + "value = 'Bearer $secret99'")
    assert "secret99" not in line


def test_what_all_routes_inherit_is_said_once(tmp_path: Path) -> None:
    routes = "".join(f"{ROUTE}path = '/{number}'\n" for number in range(5))
    assert len(said(tmp_path, '[timeouts]\nper_try = "20m"\n' + API + routes)) == 1


def test_a_field_that_differs_by_client_may_be_counted_by(tmp_path: Path) -> None:
    limit = '[rate_limit]\naverage = 2\nkey = "header:X-Who"\n'
    for value, warned in (("{client_addr}", False), ("all", True)):
        rules = f'request_headers = {{ set = {{ X-Who = "{value}" }} }}'
        assert bool(said(tmp_path, limit + BOTH + rules)) is warned
