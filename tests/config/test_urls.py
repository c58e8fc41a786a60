"""What is wrong with a URL."""

from collections.abc import Callable

import pytest

from proxy.config.urls import collector_doubt, collector_fault, server_fault, token_url_fault

LONG = "unix:/" + "x" * 107


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (server_fault, "http://10.0.0.1:9000"),
        (server_fault, "https://api.example.com"),
        (server_fault, "http://my_service:80/"),
        (server_fault, "http://[::1]:8080"),
        (server_fault, "unix:/run/api.sock"),
        (server_fault, "unix:/run/api:1.sock"),
        (token_url_fault, "https://auth.example.com/token?tenant=a"),
        (collector_fault, "http://127.0.0.1:4318"),
        (collector_fault, "https://otlp.example.com/otlp/"),
    ],
)
def test_a_good_url_has_no_fault(fault: Callable[[str], str], text: str) -> None:
    assert fault(text) == ""


@pytest.mark.parametrize(
    ("fault", "text", "message"),
    [
        (server_fault, LONG, "107 bytes"),
        (server_fault, "", "expected"),
        (server_fault, "ftp://host", "expected"),
        (server_fault, "HTTP://host", "expected"),
        (server_fault, "unix//run/a.sock", "did you mean 'unix:/run/a.sock'?"),
        (server_fault, "unix/run/a.sock", "did you mean 'unix:/run/a.sock'?"),
        (server_fault, "$API_URL", 'did you mean "${API_URL}"?'),
        (server_fault, "{$API_URL}", 'did you mean "${API_URL}"'),
        (server_fault, "http://$HOST?k=1", "a query or a fragment does not belong in the URL"),
        (server_fault, "http://$HOST:$PORT", 'did you mean "http://${HOST}:${PORT}"'),
        (server_fault, "http://%HOST%/", 'did you mean "http://${HOST}/"'),
        (
            server_fault,
            "10.0.0.1:9000 weight=3 backup",
            'did you mean { url = "http://10.0.0.1:9000", weight = 3, backup = true }?',
        ),
        (server_fault, "http://a backup", '{ url = "http://a", backup = true }?'),
        (server_fault, "a:80 weight=2 max_fails=3", '{ url = "http://a:80", weight = 2 }?'),
        (server_fault, "http://a max_fails=3", "behind the URL, did you mean 'http://a'?"),
        (server_fault, "a:b weight=3", "expected nothing behind the URL, got 'weight=3'"),
        (server_fault, "localhost:9000", "did you mean 'http://localhost:9000'?"),
        (server_fault, "http://", "host is missing"),
        (server_fault, "http://:80", "host is missing"),
        (server_fault, "http://host:0", "port from 1 to 65535"),
        (server_fault, "http://host:65536", "port from 1 to 65535"),
        (server_fault, "http://host:", "port from 1 to 65535"),
        (server_fault, "http://host:٨", "port from 1 to 65535"),
        (server_fault, "http://ho st", "not a host name"),
        (server_fault, "http://a..b", "not a host name"),
        (server_fault, "http://-a", "not a host name"),
        (server_fault, "http://bücher.example", "xn--"),
        (server_fault, "http://1.2.3.400", "not an IP address"),
        (server_fault, "http://[::zz]", "not an IP address"),
        (server_fault, "http://[fe80::1%eth0]", "zone"),
        (server_fault, "http://::1:80", "not a host and a port"),
        (server_fault, "http://host/v1", "add_prefix = '/v1'"),
        (server_fault, "http://host/?a=b", "query"),
        (server_fault, "http://host#a", "fragment"),
        (server_fault, "http://host\n", "not a host name"),
        (server_fault, "unix:run/api.sock", "absolute"),
        (server_fault, "unix:", "absolute"),
        (server_fault, "http://unix:/tmp/y.sock", "did you mean 'unix:/tmp/y.sock'?"),
        (server_fault, "unix:/tmp/y.sock:", "did you mean 'unix:/tmp/y.sock'?"),
        (server_fault, "unix:/tmp/y.sock:/v1/", "did you mean 'unix:/tmp/y.sock'?"),
        (server_fault, "http://unix:/tmp/y.sock:/v1/", "did you mean 'unix:/tmp/y.sock'?"),
        (token_url_fault, "auth.example.com/token", 'expected "https://HOST/PATH"'),
        (collector_fault, "localhost:4318", "expected"),
        (collector_fault, "http://a:hunter2@c:4318", "do not belong"),
        (collector_fault, "http://c:4318/?a=1", "neither a query"),
        (collector_fault, "http://c:99999", "port"),
        (collector_fault, "127.0.0.1:4318", "did you mean 'http://127.0.0.1:4318'?"),
        (collector_fault, "grpc://otel:4318", "did you mean 'http://otel:4318'?"),
        (collector_fault, "grpc://otel:4317", "did you mean 'http://otel:4318'?"),
        (collector_fault, "otel:4318/v1/traces", "did you mean 'http://otel:4318'?"),
    ],
)
def test_a_bad_url_says_what_is_wrong(fault: Callable[[str], str], text: str, message: str) -> None:
    assert message in fault(text)


def test_a_password_in_a_url_is_not_repeated() -> None:
    fault = server_fault("http://user:hunter2@host")
    assert "credentials" in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("http://otel:4318/v1/traces", "'http://otel:4318'?"),
        ("http://otel:4318/v1/traces/", "'http://otel:4318'?"),
        ("https://example.com/otlp/v1/logs", "'https://example.com/otlp'?"),
        ("http://otel:4317", "that of OTLP over gRPC, did you mean 'http://otel:4318'?"),
    ],
)
def test_the_whole_url_of_a_signal_is_no_address_of_a_collector(url: str, meant: str) -> None:
    assert collector_doubt(url).endswith(meant)


@pytest.mark.parametrize("url", ["http://otel:4318", "http://otel/v1", "http://otel/v1/traces/x"])
def test_another_path_of_a_collector_may_be_meant(url: str) -> None:
    assert collector_doubt(url) == ""


@pytest.mark.parametrize("url", ["127.0.0.1:4317", "grpc://otel:4317"])
def test_what_is_no_address_of_a_collector_has_one_suggestion(url: str) -> None:
    assert ":4318'?" in collector_fault(url)
    assert collector_doubt(url) == ""


@pytest.mark.parametrize("url", ["http://a:9000/?key=S3CRET", "/run/a?key=S3CRET"])
def test_a_query_is_never_repeated_for_what_stands_behind_it(url: str) -> None:
    fault = server_fault(f"{url} weight=3")
    assert fault
    assert "S3CRET" not in fault
