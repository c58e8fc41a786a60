"""Each mistake of somebody who is new to the file has one line, which says what was meant."""

from pathlib import Path

import pytest

from proxy.config.load import check

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = API + '[[routes]]\nupstream = "api"\n'


def said(folder: Path, text: str, **environ: str) -> list[str]:
    """What ``check`` prints, without the name of the file."""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return [str(problem).removeprefix(f"{file}:") for problem in check(file, environ)]


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [
        # tables
        (API + '[routes]\nupstream = "api"', "4: routes:", "[[routes]]"),
        ('[upstreams]\nname = "a"\nservers = ["http://a"]', "1: upstreams:", "[[upstreams]]"),
        ('[upstream]\nname = "a"\nservers = ["http://a"]', "1: upstream:", "[[upstreams]]"),
        ('[upstreams.api]\nservers = ["http://a"]', "1: upstreams:", 'with name = "api"'),
        (API + '[[route]]\nupstream = "api"', "4: route:", "[[routes]]"),
        (API + '[timeout]\nidle = "5s"', "4: timeout:", "[timeouts]"),
        ("retry = 3\n" + API, "1: retry:", "retry = { attempts = 3 }"),
        ("hedge = true\n" + API, "1: hedge:", "hedge = {}"),
        ('timeouts = "30s"\n' + API, "1: timeouts:", 'first_byte = "30s"'),
        # lists and strings
        (
            '[[upstreams]]\nname = "a"\nservers = "http://x"',
            "3: upstreams[0].servers:",
            '"http://x"',
        ),
        (ROUTE + 'methods = "GET, POST"', "6: routes[0].methods:", '["GET", "POST"]'),
        (ROUTE + 'path = ["/v1"]', "6: routes[0].path:", '"/v1"'),
        ("[retry]\non = [503]\n" + API, "2: retry.on[0]:", '"503"'),
        ('[retry]\non = ["5XX"]\n' + API, "2: retry.on[0]:", "'5xx'"),
        # names of options
        (ROUTE + 'prefix = "/v1"', "6: routes[0].prefix:", "'path'"),
        (ROUTE + "attempts = 3", "6: routes[0].attempts:", "[routes.retry]"),
        ("[server]\nattempts = 3\n" + API, "2: server.attempts:", "[retry]"),
        ("[server]\nmaxBody = 3\n" + API, "2: server.maxBody:", "'max_body'"),
        ("[server]\nport = 80\n" + API, "2: server.port:", "'listen'"),
        ("[retry]\nmax_retries = 3\n" + API, "2: retry.max_retries:", "'attempts'"),
        ("[timeouts]\nread = '5s'\n" + API, "2: timeouts.read:", "'first_byte' or 'idle'?"),
        ("[server]\nlog_level = 'x'\n" + API, "2: server.log_level:", "'level' in [log]"),
        ("attempts = 3\n" + API, "1: attempts:", "[retry]"),
        ("[queue]\nmax = 3\n[concurrency]\n" + API, "2: queue.max:", "'size'"),
        ("[concurrency]\nmax = 3\n" + API, "2: concurrency.max:", "'max_requests'"),
        ("[server]\ntimeout = '5s'\n" + API, "2: server.timeout:", "[timeouts]"),
        (API + 'upstream = "x"', "4: upstreams[0].upstream:", "[[routes]]"),
        ('upstream = "http://a"\n' + API, "1: upstream:", 'servers = ["URL"]'),
        ('[upstreams]\napi = "http://a"', "1: upstreams:", 'name = "api"'),
        (API + '[[routes]]\nupstream = "API"', "5: routes[0].upstream:", "'api'"),
        (API + '[[routes]]\nupstream = "http://a"', "5: routes[0].upstream:", "the name of one"),
        (ROUTE + 'headers = ["X-A: b"]', "6: routes[0].headers:", "{ X-A ="),
        # numbers, switches, words
        ('[retry]\nattempts = "3"\n' + API, "2: retry.attempts:", "did you mean 3?"),
        ("[retry]\nattempts = 3.0\n" + API, "2: retry.attempts:", "did you mean 3?"),
        ('[log]\nsample = "10%"\n' + API, "2: log.sample:", "did you mean 0.1?"),
        ("[log]\nsample = 50\n" + API, "2: log.sample:", "did you mean 0.5?"),
        ('[log]\naccess = "no"\n' + API, "2: log.access:", "did you mean false?"),
        ("[log]\naccess = 1\n" + API, "2: log.access:", "did you mean true?"),
        ('[log]\nlevel = "INFO"\n' + API, "2: log.level:", "'info'"),
        ('[log]\nlevel = "warn"\n' + API, "2: log.level:", "'warning'"),
        (
            '[load_balance]\npolicy = "round-robin"\n' + API,
            "2: load_balance.policy:",
            "'round_robin'",
        ),
        (
            '[load_balance]\npolicy = "least_conn"\n' + API,
            "2: load_balance.policy:",
            "'least_request'",
        ),
        ('[rate_limit]\nkey = "X-Tenant"\n' + API, "2: rate_limit.key:", "'header:X-Tenant'"),
        ('[rate_limit]\nkey = "ip"\n' + API, "2: rate_limit.key:", "'client_addr'"),
        ('[hedge]\ndelay = "95%"\n' + API, "2: hedge.delay:", "'p95'"),
        ('[stream]\ncommit = "body:64KB"\n' + API, "2: stream.commit:", "'body:64KiB'"),
        ('[health_check]\npath = "health"\n' + API, "2: health_check.path:", "'/health'"),
        ("[server]\nunix_mode = 660\n" + API, "2: server.unix_mode:", '"0660"'),
        ('[server]\nunix_mode = "rw-rw----"\n' + API, "2: server.unix_mode:", '"0660"'),
        # addresses
        (
            '[server]\nlisten = "https://0.0.0.0:8443"\n' + API,
            "2: server.listen:",
            "'0.0.0.0:8443'",
        ),
        ('[server]\nlisten = "localhost"\n' + API, "2: server.listen:", "'localhost:8080'"),
        ('[server]\nlisten = "*:80"\n' + API, "2: server.listen:", "':80'"),
        ('[server]\nlisten = "::1:80"\n' + API, "2: server.listen:", "'[::1]:80'"),
        ('[server]\nlisten = "/run/a.sock"\n' + API, "2: server.listen:", "'unix:/run/a.sock'"),
        ('[server]\ntrusted_proxies = ["10.0.0.1, ::1"]\n' + API, "2: ", '["10.0.0.1", "::1"]'),
        ('[[upstreams]]\nname = "a"\nservers = ["a:9000"]', "3: ", "'http://a:9000'"),
        ('[[upstreams]]\nname = "a"\nservers = ["9000"]', "3: ", "'http://127.0.0.1:9000'"),
        (
            '[[upstreams]]\nname = "a"\nservers = ["api.example.com"]',
            "3: ",
            "'https://api.example.com'",
        ),
        ('[[upstreams]]\nname = "a"\nservers = ["http://a/v1"]', "3: ", "add_prefix = '/v1'"),
        (ROUTE + 'host = "https://a.example/"', "6: routes[0].host:", "'a.example'"),
        (ROUTE + 'path = "v1"', "6: routes[0].path:", "'/v1'"),
        (ROUTE + 'path = "= /v1"', "6: routes[0].path:", "path_regex = '/v1'?"),
        (ROUTE + 'add_prefix = "http://a/v1"', "6: routes[0].add_prefix:", "'/v1'?"),
        ('[admin]\nhosts = ["http://x"]\n' + API, "2: admin.hosts[0]:", "'x'?"),
        (ROUTE + 'max_body = "1MiB"', "6: routes[0].max_body:", "it belongs in [server]"),
        (ROUTE + 'path = "http://a/v1"', "6: routes[0].path:", "path = '/v1'"),
        (API + 'host_header = "https://a.example"', "4: upstreams[0].host_header:", "'a.example'"),
        # the environment
        (API + 'host_header = "${env:X}"', "4: upstreams[0].host_header:", "'${X}'"),
        (API + 'host_header = "${X:abc}"', "4: upstreams[0].host_header:", "'${X:-abc}'"),
        (API + 'host_header = "${A:-${B:-x}}"', "4: upstreams[0].host_header:", "within another"),
        # what is no TOML
        ("[log]\nlevel = info\n" + API, "2: syntax:", 'level = "info"'),
        ("[timeouts]\nidle = 5s\n" + API, "2: syntax:", 'idle = "5s"'),
        ('[log]\nlevel = "info\n' + API, "2: syntax:", "quote that opens at column 9"),
        ("[log]\nlevel = “info”\n" + API, "2: syntax:", "curly quotes"),
        ("[log]\naccess = True\n" + API, "2: syntax:", "expected true"),
        ("[log]\nlevel = None\n" + API, "2: syntax:", "leave the option out"),
        ("[log]\nlevel: info\n" + API, "2: syntax:", "level = value"),
        ('[log]\nlevel == "info"\n' + API, "2: syntax:", "level = value"),
        ("[log]\nlevel =\n" + API, "2: syntax:", "a value is missing"),
        ('[log]\nlevel = "info",\n' + API, "2: syntax:", "','"),
        ("[log]\n// no\n" + API, "2: syntax:", '"#"'),
        ("[log\n" + API, "1: syntax:", "[log]"),
        ("[my log]\nlevel = 1\n" + API, "1: syntax:", "'my log'"),
        ("[retry]\non = [reset, timeout]\nattempts = 2\n" + API, "2: ", '["reset", "timeout"]'),
        ("[timeouts]\nidle = '30s\n" + API, "2: syntax:", "column 8 is not closed"),
        ('[server]\nlisten = ["a:1"\n[log]\n' + API, "2: syntax:", "begins here is not closed"),
        (ROUTE + 'path_regex = "/\\d+"', "6: syntax:", "'/\\d+'"),
        ("[log]\nlevel = 'info'\nlevel = 'error'\n" + API, "3: syntax:", "twice"),
        ("[log]\n[log]\n" + API, "2: syntax:", "twice"),
        ("<<<<<<< HEAD\n" + API, "1: syntax:", "merge"),
        ("server:\n  listen: 127.0.0.1:80\n", "1: syntax:", "this is YAML"),
        ('{"server": {}}', "1: syntax:", "this is JSON"),
        ("server {\n  listen 80;\n}\n", "1: syntax:", "[name]"),
        (
            '[[upstreams]]\nname = "a"\nservers = [{ url = "http://a,}", }]',
            "3: syntax:",
            "no comma",
        ),
        # at once
        (API + "[upstreams.credentials]\nvalue = 'a'\nvalue_file = 'b'", "4: ", "leave one out"),
    ],
)
def test_a_mistake_has_one_line_that_says_what_was_meant(
    tmp_path: Path, text: str, place: str, meant: str
) -> None:
    [line] = said(tmp_path, text)
    assert line.startswith(place)
    assert meant in line


@pytest.mark.parametrize(
    "text",
    [
        '[retry]\non = ["5xx", "reset"]\n' + API,
        "[server]\nlisten = 22001\n" + API,
        '[server]\nlisten = ":22002"\n' + API,
        '[server]\nlisten = ["22001", ":22002", 22003]\n' + API,
        "[admin]\nlisten = 22001\nprobes = ':22002'\n" + API,
    ],
)
def test_what_others_allow_is_allowed(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []


def test_several_kinds_of_mistakes_are_found_at_once(tmp_path: Path) -> None:
    text = """\
[server]
listen = “127.0.0.1:80”
max_body = "8MiB
[log]
level = info
access = "no"
[retry
atempts = 3
[[upstreams]]
name = "api"
servers = ["http://a]
[[routes]]
upstream = "api"
path_regex = "/v(\\d+)"
"""
    starts = [line.split(": ")[:2] for line in said(tmp_path, text)]
    assert starts == [
        ["2", "syntax"],
        ["3", "syntax"],
        ["5", "syntax"],
        ["6", "log.access"],
        ["7", "syntax"],
        ["8", "retry.atempts"],
        ["11", "syntax"],
        ["14", "syntax"],
    ]


def test_a_table_with_a_wrong_name_is_looked_into(tmp_path: Path) -> None:
    text = '[upstream]\nname = "api"\nservers = "http://x"\n[timeout]\nidle = 5\n'
    assert [line.partition(": ")[0] for line in said(tmp_path, text)] == ["1", "3", "4", "5"]


@pytest.mark.parametrize(
    "text",
    [
        API + "[upstreams.credentials]\nvalue = 12345678",
        API + "[upstreams.credentials]\nvalue = Bearer sk-12345678",
        API + '[upstreams.credentials]\nvalue = "sk-12345678\n',
        API + '[upstreams.credentials]\nvalue_file = "sk-12345678"',
        API + "[upstreams.credentials]\nvalue_file = '${TOKEN}'",
        API + '[upstreams.credentials]\nvalue = "Bearer: sk-12345678"',
        API + "[upstreams]\ncredentials = 'sk-12345678'",
        API + '[upstreams.credentials]\nvalue = "\\sk-12345678"',
        ROUTE + "request_headers.set.Authorization = 12345678",
        ROUTE + "[routes.request_headers]\nset.X-Api-Key = sk-12345678",
        '[[upstreams]]\nname = "a"\nservers = ["user:12345678@a:80"]',
        '[[upstreams]]\nname = "a"\nservers = ["http://a?key=12345678"]',
    ],
)
def test_no_message_repeats_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    lines = said(tmp_path, text, TOKEN="sk-12345678")
    assert lines
    assert "12345678" not in "\n".join(lines)


def test_a_missing_file_says_how_to_start(tmp_path: Path) -> None:
    [problem] = check(tmp_path / "config.toml")
    assert "sidecar-proxy init" in str(problem)
    assert "--upstream URL" in str(problem)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("retry = 5", "did you mean retry = { attempts = 5 }?"),
        ('retry = "5"', "did you mean retry = { attempts = 5 }?"),
        ("retry = 500", "got 500"),  # too many
        ("retry = nan", "got nan, for example retry = { attempts = 3 }"),
        ("cache = inf", 'got inf, for example cache = { ttl = "1m" }'),
        (f"cache = {10**20}", 'for example cache = { ttl = "1m" }'),
        ('concurrency = "200"', "did you mean concurrency = { max_requests = 200 }?"),
        ('concurrency = "30s"', "got '30s', for example concurrency = { max_requests = 100 }"),
        ('concurrency = "50%"', "got '50%', for example concurrency = { max_requests = 100 }"),
        ('queue = "100"', "did you mean queue = { size = 100 }?"),
        ('circuit_breaker = "10"', "did you mean circuit_breaker = { consecutive_failures = 10 }?"),
        (
            "circuit_breaker = 0.5",
            "got 0.5, for example circuit_breaker = { consecutive_failures = 5 }",
        ),
        ('rate_limit = "500/s"', "did you mean rate_limit = { average = 500 }?"),
        ("rate_limit = 0.5", "did you mean rate_limit = { average = 0.5 }?"),
        ('rate_limit = "500/m"', "got '500/m', for example rate_limit = { average = 10 }"),
        ("cache = 300", 'did you mean cache = { ttl = "300s" }?'),
        ('cache = "300"', 'did you mean cache = { ttl = "300s" }?'),
        ('cache = "5m"', 'did you mean cache = { ttl = "5m" }?'),
        ("timeouts = 30", 'did you mean timeouts = { first_byte = "30s" }?'),
        ("deadline = 600", 'did you mean deadline = { max = "600s" }?'),
        ("shutdown = 60", 'did you mean shutdown = { grace_period = "60s" }?'),
        ("stream = 30", 'did you mean stream = { heartbeat = "30s" }?'),
        ("hedge = 95", 'got 95, for example hedge = { delay = "p95" }'),
        ('hedge = "200ms"', 'did you mean hedge = { delay = "200ms" }?'),
        (
            "cors = true",
            'got true, for example cors = { allow_origins = ["https://app.example.com"] }',
        ),
        ("retry = true", "an empty table switches it on: retry = {}"),
        (
            'cors = "https://a.example"',
            "did you mean cors = { allow_origins = ['https://a.example'] }?",
        ),
    ],
)
def test_what_is_suggested_for_a_table_has_the_value_that_was_written(
    tmp_path: Path, written: str, meant: str
) -> None:
    [problem] = said(tmp_path, f"{written}\n{API}")
    assert problem.endswith(meant)
