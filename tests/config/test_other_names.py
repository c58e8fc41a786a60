"""What is written as other proxies have it, or nearly right, is led to what is here."""

from pathlib import Path

import pytest

from tests.support.checking import said

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = '[[routes]]\nupstream = "api"\npath = "/v1"\n'
RULES = "rules for fields stand in request_headers and in response_headers"
TABLE = "expected [[server.tls.certificates]]"
LEAK = "the name alone stands in header, what stands behind its colon in value"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('set_header = { a = "b" }', RULES),
        ('remove_headers = ["a"]', RULES),
        ('hide_headers = ["a"]', RULES),
        ('header = { a = "b" }', "did you mean 'headers'?"),
        ('response_header = { a = "b" }', "did you mean 'response_headers'?"),
        ("weight = 1", "requests are not split between upstreams"),
        ("proxy_intercept_errors = true", "did you mean 'fallback'?"),
        ("strip_prefix = true", 'as in strip_prefix = "/v1"'),
        ('rewrite = { pattern = "^/a", to = "/b" }', "did you mean 'replacement'?"),
        ('limit_except = "GET"', "did you mean 'methods'?"),
        ('handle_path = "/a"', "expected path and strip_prefix"),
        ('reverse_proxy = "a"', "expected [[upstreams]] with servers"),
        ('[routes.deadline]\nheader = "a"', "did you mean 'accept'?"),
    ],
)
def test_in_a_route(tmp_path: Path, written: str, meant: str) -> None:
    assert meant in said(tmp_path, f"{API}{ROUTE}{written}\n")[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("[hedge]\ndelay = 95", 'did you mean "p95"?'),
        ("[hedge]\npercentile = 95", "did you mean 'delay'?"),
        ('[server.tls]\ncertificates = { cert_file = "a" }', TABLE),
        ('[server.tls.certificates]\ncert_file = "a"', TABLE),
        ("[[rate_limits]]\naverage = 1", "did you mean [rate_limit]?"),
        ('[queue]\nmax_wait = "1s"', "expected queue in [timeouts]"),
        ('[server]\nforwarded_allow_ips = "*"', "did you mean 'trusted_proxies'?"),
        ('[cache]\npath = "/a"', "expected url in [store]"),
        ("[cache]\nlock = true", "it is always so"),
        ('resolver = "a"', "dns_ttl in [[upstreams]]"),
        ("retry_budget = 20", "did you mean 'budget' in [retry]?"),
        ("[circuit_breakers]\nx = 1", "percent in [retry.budget]"),
        ("[hedge_policy]\ndelay = 'p95'", "did you mean [hedge]?"),
        ('[server]\nmax_request_size = "1MiB"', "did you mean 'max_body'?"),
        ('[rate_limit]\nlimit_by = "route"', "did you mean 'key'?"),
        ('[cache]\ncapacity = "1GiB"', "did you mean 'max_size'?"),
        ('[retry]\ninitial_delay = "1s"', "did you mean 'backoff_base'?"),
        ("[retry]\nnon_idempotent = true", "did you mean 'methods'?"),
        ("[retry.budget]\nratio = 0.2", "did you mean 'percent'?"),
        ('[circuit_breaker]\nreset_timeout = "30s"', "did you mean 'base_ejection_time'?"),
        ("retry = { budget = 0.2 }", "did you mean budget = { percent = 20 }?"),
    ],
)
def test_elsewhere(tmp_path: Path, written: str, meant: str) -> None:
    (line,) = said(tmp_path, f"{written}\n{API}")
    assert meant in line


def test_a_whole_line_is_no_name_of_a_field(tmp_path: Path) -> None:
    text = f'{API}[upstreams.credentials]\nheader = "Authorization: Bearer"\nvalue = "Bearer x"\n'
    assert said(tmp_path, text) == [f"upstreams[0].credentials.header: {LEAK}"]


POST = 'methods = ["POST"]\n[routes.retry]\non = ["429"%s]\n'
UNSENT = ', "connect-failure", "stale-connection"'


@pytest.mark.parametrize("more", ["", UNSENT])
def test_a_status_of_what_may_not_be_repeated(tmp_path: Path, more: str) -> None:
    (line,) = said(tmp_path, API + ROUTE + POST % more)
    assert line.startswith("routes[0].retry.on: warning: nothing of POST may be repeated, but for")


def test_a_list_without_what_was_never_sent(tmp_path: Path) -> None:
    (line,) = said(tmp_path, '[retry]\non = ["429"]\n' + API)
    assert line == (
        "retry.on: warning: connect-failure and stale-connection are not tried again now, though "
        'nothing was sent: expected "connect-failure" and "stale-connection" in on'
    )
    assert said(tmp_path, f'[retry]\non = ["429"{UNSENT}]\n' + API) == []
    assert said(tmp_path, "[retry]\non = ['reset']\n" + API) == []
