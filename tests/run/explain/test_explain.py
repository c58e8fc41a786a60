"""What ``sidecar-proxy explain`` says of a request."""

from pathlib import Path

import pytest

from proxy.cli import main
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM
from tests.support.explained import SEVERAL, UPSTREAMS, Told


def test_the_route_is_named_with_the_reason_against_each_other(told: Told) -> None:
    found = told(SEVERAL, "GET", "http://h/v1/x?y=1").splitlines()
    assert found[0] == "GET http://h/v1/x?y=1"
    assert "Route: routes[0] (path /v1; a.toml:12) takes it" in found
    assert "  not routes[1] (path /v1/x; methods POST; a.toml:19): it does not take GET" in found
    named = "routes[2] (host *.example.com; path /; a.toml:23)"
    assert f"  not {named}: the request is for h" in found


def test_the_other_routes_stand_in_the_order_in_which_they_are_tried(told: Told) -> None:
    found = told(SEVERAL, "GET", "http://h/")
    assert (
        found.index("not routes[2]") < found.index("not routes[1]") < found.index("not routes[0]")
    )


def test_of_many_routes_with_other_paths_a_few_are_named(told: Told) -> None:
    more = "".join(f'[[routes]]\npath = "/p{each}"\nupstream = "b"\n' for each in range(12))
    found = told(SEVERAL + more, "GET", "http://h/v1")
    assert found.count("the path is another") == 10
    assert "  nor 3 more with other paths\n" in found


def test_a_route_that_would_match_too_is_less_specific(told: Told) -> None:
    found = told(SEVERAL, "POST", "http://a.example.com/v1/x")
    assert "Route: routes[2]" in found
    assert "routes[1] (path /v1/x; methods POST; a.toml:19): it matches too, but its host" in found


@pytest.mark.parametrize(
    ("method", "url", "said"),
    [
        ("GET", "/other", "Route: none takes it: 404"),
        ("GET", "/v1/x", "Route: routes[0]"),
        ("TRACE", "/v1", "Route: none takes it: 405, with Allow:"),
    ],
)
def test_a_request_that_no_route_takes_is_told_its_status(
    told: Told, method: str, url: str, said: str
) -> None:
    assert said in told(SEVERAL, method, url)


def test_the_chain_is_told_from_the_top_with_reasons(told: Told) -> None:
    found = told(SEVERAL, "GET", "http://h/v1/x")
    reasons = {link.name: link.reason for link in (*ROUTE, *UPSTREAM, *ENDPOINT)}
    chain = found.split("Chain")[1].split("Upstream api")[0]
    names = [line.split()[0] for line in chain.splitlines() if line.startswith("    ")]
    at_api = ["retry", "commit", "load_balance", "credentials", "forward"]
    assert names == ["rewrite", "fallback", *at_api, "retry", "commit", "forward"]
    assert all(reasons[name] in chain for name in names if name != "forward")


def test_what_each_server_is_sent_is_told(told: Told) -> None:
    found = told(SEVERAL, "GET", "http://h/v1/x?y=1")
    first = "  https://api.example.com (weight 1) is sent: GET /x?y=1  Host: api.example.com"
    assert first in found
    assert "  http://10.0.0.2:9000 (weight 2, backup) is sent: GET /x?y=1  Host: h" in found
    assert "  http://10.0.0.1 (weight 1) is sent: GET /x?y=1  Host: h" in found


def test_what_is_sent_has_gone_through_the_link_that_rewrites(told: Told) -> None:
    more = SEVERAL.replace(
        'path = "/v1/x"', 'path = "/v1/x"\nrewrite = { pattern = "x", replacement = "y" }'
    )
    assert "is sent: POST /v1/y?x=x  Host: h" in told(more, "POST", "http://h/v1/x?x=x")


@pytest.mark.parametrize(
    ("url", "set_", "said"),
    [
        ("http://h/v1/a/%2e%2e%2f", "server.strict=true", "none is looked for: 400, "),
        ('http://h/v1/"', "server.strict=true", "none is looked for: 400, "),
        ('http://h/v1/"', "server.strict=false", 'is sent: GET /"  Host: h'),
        ("http://h/./v1/a", "server.strict=true", "Upstreams: none is asked: 400, "),
    ],
)
def test_what_the_proxy_refuses_is_told_as_refused(
    told: Told, url: str, set_: str, said: str
) -> None:
    found = told(SEVERAL, "GET", url, "--set", set_)
    assert said in found
    assert ("is sent:" in found) == ("is sent:" in said)


def test_a_method_in_small_letters_is_told_from_the_one_that_was_meant(told: Told) -> None:
    assert "methods are case-sensitive, did you mean 'GET'?" in told(SEVERAL, "get", "http://a/v1")
    assert "did you mean 'CONNECT'?" in told(SEVERAL, "connect", "http://a/v1")
    assert "did you mean" not in told(SEVERAL, "purge", "http://a/v1")


def test_a_tunnel_is_refused_whatever_routes_say(told: Told) -> None:
    assert "none is looked for: 405, with Allow: GET, " in told(SEVERAL, "CONNECT", "http://h/v1")


def test_a_route_for_trace_is_told_from_the_others(told: Told) -> None:
    more = SEVERAL.replace('methods = ["POST"]', 'methods = ["TRACE"]')
    found = told(more, "TRACE", "http://h/v1/x")
    assert "Route: routes[1]" in found
    assert "  not routes[0] (path /v1; a.toml:12): it does not take TRACE\n" in found


def test_without_routes_the_only_upstream_takes_everything(told: Told) -> None:
    found = told('[[upstreams]]\nname = "a"\nservers = ["unix:/run/a.sock"]\n', "POST", "/x")
    assert "not written: the only upstream takes everything" in found
    assert "unix:/run/a.sock (weight 1) is sent: POST /x  Host: localhost" in found


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("h/v1", "expected http://HOST/PATH or /PATH, got 'h/v1'"),
        ("http://h\\/", "not a host: 'h\\\\'"),
        ("ftp://", "expected http://HOST/PATH or /PATH, got 'ftp://'"),
        ("http://", "the host is missing in 'http://'"),
        ("*", "expected http://HOST/PATH or /PATH, got '*'"),
        ("/a b", "a blank cannot stand in a URL, expected %20 for it, got '/a b'"),
        ("/a\tb?c", "a control character cannot stand in a URL, expected %09 for it, got '/a\\tb'"),
        ("http://u:sesame@h/x", "a user and a password do not belong in the URL, got 'http://h/x'"),
    ],
)
def test_a_url_that_is_none_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, why: str
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(SEVERAL, encoding="utf-8")
    assert main(["explain", str(file), "GET", url]) == 2
    assert capsys.readouterr().err == f"sidecar-proxy: cannot explain: {why}\n"


def test_a_target_that_is_no_ascii_is_told_as_it_was_typed(told: Told) -> None:
    found = told(SEVERAL, "GET", "/v1/é")
    assert found.startswith("GET http://localhost/v1/é\n")
    assert "sent: GET /é " in found


def test_a_bad_file_is_told_with_its_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[retry]\natempts = 3\n", encoding="utf-8")
    assert main(["explain", str(file), "GET", "/"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{file}:2: retry.atempts: unknown option" in err


def test_each_of_several_credentials_is_told_by_its_name_without_its_value(told: Told) -> None:
    key = '[[upstreams.credentials]]\nname = "{}"\nheader = "X-Key"\nvalue = "{}"\n'
    several = "".join(key.format(name, f"abcdefgh-{name}") for name in ("first", "second"))
    text = f'[[upstreams]]\nname = "api"\nservers = ["http://a"]\n{several}'
    found = told(text, "GET", "http://h/")
    lines = [line.split() for line in found.splitlines() if " credentials[" in line]
    assert [line[:3] for line in lines if line[0].endswith(("name", ".value"))] == [
        ["credentials[0].name", "=", '"first"'],
        ["credentials[0].value", "=", '"***"'],
        ["credentials[1].name", "=", '"second"'],
        ["credentials[1].value", "=", '"***"'],
    ]
    assert "abcdefgh" not in found


TENANTS = f"""{UPSTREAMS}
[[routes]]
upstream = "api"
[[routes]]
upstream = "b"
headers = {{ X-Tenant = "acme", X-Beta = "*" }}
"""


def test_a_route_that_asks_for_fields_takes_a_request_that_carries_them(told: Told) -> None:
    both = ("-H", "x-tenant: acme", "--header", "X-Beta:1")
    taken = told(TENANTS, "GET", "http://h/", *both)
    assert "Route: routes[1]" in taken
    assert 'headers = { X-Tenant = "***", X-Beta = "***" }' in taken
    found = told(TENANTS, "GET", "http://h/", *both[:2])
    assert "Route: routes[0]" in found
    assert "the request has to carry X-Beta\n" in found
    assert "carry X-Tenant, X-Beta\n" in told(TENANTS, "GET", "/")


def test_a_field_with_another_value_is_not_said_to_be_missing(told: Told) -> None:
    """Values are not shown: whoever sent one would look for it elsewhere."""
    other = told(TENANTS, "GET", "/", "-H", "X-Tenant: other", "-H", "X-Beta: 1")
    assert ": the value of X-Tenant is another\n" in other
    both = told(TENANTS, "GET", "/", "-H", "X-Tenant: other")
    assert "has to carry X-Beta and the value of X-Tenant is another\n" in both


@pytest.mark.parametrize("url", ["/", "http://h/"])
def test_a_host_counts_as_it_does_with_curl(told: Told, url: str) -> None:
    found = told(SEVERAL, "GET", url, "-H", "Host: a.example.com")
    assert found.startswith("GET http://a.example.com/\n")
    assert "Route: routes[2]" in found


@pytest.mark.parametrize(
    "lines",
    [
        ["secret-in-the-wrong-place"],
        ["X Y: secret"],
        [": secret"],
        ["A: secret\nB: 2"],
        ["Host: a", "Host: b"],
        ["Host: a b"],
    ],
)
def test_fields_that_no_request_carries_are_refused_without_showing_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str]
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(SEVERAL, encoding="utf-8")
    more = [word for line in lines for word in ("-H", line)]
    assert main(["explain", str(file), "GET", "/", *more]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sidecar-proxy: cannot explain: ")
    assert "secret" not in err


def test_credentials_of_the_query_are_not_told(told: Told) -> None:
    text = f'[log]\nredact = ["ssn"]\n{SEVERAL}'
    found = told(text, "GET", "http://h/v1/x?token=Secret1&ssn=Secret2&y=1")
    assert "Secret" not in found
    assert found.count("/x?token=***&ssn=***&y=1") == 4


def test_a_preflight_is_told_the_route_of_the_request_behind_it(told: Told) -> None:
    route = '[[routes]]\npath = "/p"\nupstream = "b"\nmethods = ["PUT"]\n'
    text = f'{SEVERAL}{route}[routes.cors]\nallow_origins = ["*"]\nallow_methods = ["PUT"]\n'
    fields = ("-H", "Origin: https://a.test", "-H", "Access-Control-Request-Method: PUT")
    assert "Route: routes[3] (path /p;" in told(text, "OPTIONS", "/p/x", *fields)
