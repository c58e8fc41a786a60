"""What other proxies have is answered with what to do instead."""

from pathlib import Path

import pytest

from proxy.config.absent import absent
from proxy.config.load import check

_NEAR = (
    '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n{upstream}\n'
    '[[routes]]\nupstream = "api"\n{route}\n[server]\n{server}\n'
)
FRONT = "put nginx, HAProxy or Caddy in front for it"
HASH = 'expected load_balance = { policy = "hash", hash_key = '


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("http2", (), "put nginx, HAProxy or Caddy in front"),
        ("output", ("log",), "goes to standard output"),
        ("min_version", ("upstreams", "tls"), "in TLS 1.2 or 1.3"),  # not: put it into server.tls
        ("proxy_ssl_protocols", ("upstreams",), "in TLS 1.2 or 1.3"),
        ("enabled", ("retry",), "a table is on once it is written"),
        ("ip_allow_list", ("routes",), "no addresses are let in"),
        ("ipallowlist", ("routes",), "no addresses are let in"),
    ],
)
def test_what_to_do_instead_is_said(name: str, table: tuple[str, ...], words: str) -> None:
    text = absent(name, table)
    assert text.startswith(": ")
    assert words in text


def test_a_name_that_is_wrong_in_one_table_only_says_nothing_elsewhere() -> None:
    assert absent("output", ("retry",)) == absent("attempts", ("retry",)) == ""


@pytest.mark.parametrize(
    ("names", "where", "words"),
    [
        # left to a front
        ("allow deny ipAllowList ipWhiteList ip_filter whitelist source_range", "route", FRONT),
        (
            "auth_basic auth_basic_user_file auth_jwt digestAuth basicAuth forwardAuth",
            "route",
            FRONT,
        ),
        ("redirectScheme force_https ssl_redirect redir return", "route", "does not redirect"),
        ("http_redirect redirect_https http_to_https", "server", f"from http to https: {FRONT}"),
        ("acme letsencrypt certResolver acme_ca email on_demand", "server", "files that another"),
        ("split split_clients weighted_clusters weighted canary", "route", "weight stands at"),
        ("mirror mirroring request_mirror_policies", "route", "goes to one upstream"),
        ("gzip gzip_types encode compress", "server", "nothing is compressed here"),
        ("query querystring cookies cookie params", "route", "not by query or cookie"),
        ("limit", "route", "max_body in [server] limits bodies"),
        ("limit", "server", "limit in [[upstreams]] connections"),
        ("limit_rate", "server", "the bandwidth of clients is not limited"),
        ("limit_conn", "server", "[rate_limit] limits its requests"),
        # done in another way
        ("ip_hash", "upstream", f'{HASH}"client_addr" }}'),
        ("sticky stick_table cookie session_affinity", "upstream", f'{HASH}"cookie:NAME" }}'),
        ("sticky stick", "server", "the proxy sets none"),
        ("hash hash_policy", "upstream", HASH),
        ("least_conn", "upstream", 'policy = "least_request" }, the default'),
        ("insecure_skip_verify tls_insecure_skip_verify", "upstream", "verify = false in"),
        ("insecure_skip_verify", "route", "trusts any certificate"),
        (
            "proxy_ssl_verify ssl_verify tls_verify verify_ssl",
            "route",
            "expected verify in [upstreams.tls], which is true by default",
        ),
        ("ssl_verify", "upstream", "true by default"),
        ("client_ip source_ip", "route", "no addresses are let in"),
        ("server_name", "route", 'host = "NAME" in [[routes]]'),
        ("server_name", "server", 'host = "NAME" in [[routes]]'),
        ("client_ip_headers real_ip_header", "server", "[server] trusted_proxies"),
        ("forwardfor x_forwarded_for", "server", "in X-Forwarded-For without an option"),
        ("forwardfor", "route", "in X-Forwarded-For without an option"),
        ("respond direct_response", "route", "fallback = { status, file }"),
        ("hsts", "server", "Strict-Transport-Security"),
        ("server_tokens", "server", 'remove = ["Server"]'),
        ("respondingTimeouts", "server", "write_idle_timeout"),
        ("serversTransport", "upstream", "[upstreams.tls] and [timeouts]"),
        ("stats_prefix stub_status", "server", "write [admin]"),
        ("default_backend", "route", "takes what no other route takes"),
        ("rule acl use_backend", "route", "by host, path, methods and headers"),
        ("flush_interval proxy_buffering request_buffers", "route", "without buffering"),
        ("timeout_client", "server", "body_idle_timeout and write_idle_timeout"),
        ("proxy_http_version", "route", "HTTP/1.1"),
        ("error_log", "server", "standard error"),
        ("auth api_keys consumers authentication users api_key", "route", "who the client is"),
        ("headers", "upstream", "request_headers in [[routes]]"),
        ("proxy http_proxy outgoing_proxy", "upstream", "HTTP_PROXY is not read"),
        ("exact exact_path path_exact", "route", "path_regex, which matches the whole path"),
    ],
)
def test_no_other_option_is_suggested_for_it(
    tmp_path: Path, names: str, where: str, words: str
) -> None:
    file = tmp_path / "config.toml"
    for name in names.split():
        written = {"upstream": "", "route": "", "server": "", where: f'{name} = "x"'}
        file.write_text(_NEAR.format(**written))
        [problem] = check(file, {})
        assert problem.message.startswith("unknown option: "), name
        assert words in problem.message, name
        assert "did you mean" not in problem.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[shutdown]\ntimeout = "5s"', "expected grace_period"),
        ('[timeouts]\nclient = "5s"', "body_idle_timeout and write_idle_timeout"),
        ('[timeouts]\nserver = "5s"', "first_byte and idle"),
        ('[timeouts]\ncheck = "5s"', "timeout in [health_check]"),
        ('[timeouts]\nhttp-request = "5s"', "request_headers_timeout in [server]"),
        ('[timeouts]\nhttp-keep-alive = "5s"', "keepalive_timeout in [server]"),
        ("[stream]\nsse = true", "known by their Content-Type"),
        ("[rate_limit]\naverage = 1\nnodelay = true", "requests within burst pass at once"),
        ("[rate_limit]\nrequests_per_minute = 60", 'average with period = "1m"'),
        ("[rate_limit]\nrpm = 60", 'average with period = "1m"'),
        ("[rate_limit]\nper_hour = 60", 'average with period = "1h"'),
        ("[rate_limit]\nrequests_per_day = 60", 'average with period = "24h"'),
        ("[rate_limit]\ntokens_per_minute = 1000", "requests are counted, not tokens"),
        ("[cache]\nmax_entries = 100", "max_size, which counts bytes"),
        ("[cache]\nstatuses = [200]", "HTTP says which"),
        ('[cache]\nbackend = "redis"', "expected url in [store]"),
        ('[cache]\nvary = ["Accept"]', "what its Vary names"),
        ('[retry]\ntimeout = "5s"', "expected per_try in [timeouts]"),
        ("[retry]\nmultiplier = 2", "doubles for each further attempt"),
        ("[health_check]\nexpect = 200", "from 200 to 399 is good"),
        ("[circuit_breaker]\nhalf_open_requests = 1", "one trial at a time"),
    ],
)
def test_a_word_of_one_table_has_its_answer_there(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"{text}\n{_NEAR.format(upstream='', route='', server='')}")
    [problem] = check(file, {})
    assert words in problem.message


@pytest.mark.parametrize(
    ("name", "table"),
    [
        *((name, ("cache",)) for name in ("query", "query_params", "cookies", "allow")),
        ("query", ("upstreams", "credentials")),
        ("params", ("upstreams", "credentials", "oauth2")),
        ("args", ("routes", "rewrite")),
        ("cookies", ("log",)),
        ("query", ("coalesce",)),
        ("insecure", ("tracing",)),
        ("transport", ("tracing",)),
        ("insecure", ("store",)),
        ("email", ("store",)),
        ("tls_verify", ("server", "tls")),
        ("rule", ("cors",)),
        ("deny", ("rate_limit",)),
        *(("split", (table,)) for table in ("retry", "circuit_breaker", "cors")),
    ],
)
def test_what_is_said_of_requests_is_not_said_of_a_feature(
    name: str, table: tuple[str, ...]
) -> None:
    assert absent(name, table) == ""


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("allow", ("cors",), ": expected allow_origins"),
        ("cookies", ("routes", "cors"), ": expected credentials"),
        ("insecure", ("upstreams", "tls"), "trusts any certificate"),
        ("transport", ("upstreams", "servers"), "how servers are spoken to"),
    ],
)
def test_a_word_that_a_table_has_a_meaning_for_is_answered_there(
    name: str, table: tuple[str, ...], words: str
) -> None:
    assert words in absent(name, table)
