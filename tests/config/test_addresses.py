"""What is wrong with an address."""

from collections.abc import Callable

import pytest

from proxy.config.addresses import (
    authority_fault,
    collector_fault,
    listen_fault,
    network_fault,
    pattern_fault,
    server_fault,
)

LONG = "unix:/" + "x" * 107


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (server_fault, "http://10.0.0.1:9000"),
        (server_fault, "https://api.example.com"),
        (server_fault, "http://my_service:80/"),
        (server_fault, "http://[::1]:8080"),
        (server_fault, "unix:/run/api.sock"),
        (listen_fault, "127.0.0.1:8080"),
        (listen_fault, "localhost:0"),
        (listen_fault, ":8080"),
        (listen_fault, "8080"),
        (listen_fault, "[::1]:8080"),
        (listen_fault, "unix:/run/proxy.sock"),
        (network_fault, "10.0.0.0/8"),
        (network_fault, "10.1.2.3"),
        (network_fault, "fd00::/8"),
        (network_fault, "unix"),
        (authority_fault, "api.example.com:8443"),
        (authority_fault, "api.example.com."),
        (pattern_fault, ""),
        (pattern_fault, "api.example.com"),
        (pattern_fault, "*.example.com"),
        (pattern_fault, "[::1]"),
    ],
)
def test_a_good_address_has_no_fault(fault: Callable[[str], str], text: str) -> None:
    assert fault(text) == ""


@pytest.mark.parametrize(
    ("fault", "text", "message"),
    [
        (server_fault, "", "expected"),
        (server_fault, "ftp://host", "expected"),
        (server_fault, "HTTP://host", "expected"),
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
        (server_fault, LONG, "107 bytes"),
        (collector_fault, "localhost:4318", "expected"),
        (collector_fault, "http://a:hunter2@c:4318", "do not belong"),
        (collector_fault, "http://c:4318/?a=1", "neither a query"),
        (collector_fault, "http://c:99999", "port"),
        (listen_fault, "127.0.0.1", "expected"),
        (listen_fault, "[::1]", "did you mean '[::1]:8080'?"),
        (listen_fault, ":70000", "port from 0 to 65535"),
        (listen_fault, "70000", "port from 0 to 65535"),
        (listen_fault, "::1:8080", "brackets"),
        (listen_fault, "127.0.0.1:http", "port from 0"),
        (listen_fault, "127.0.0.1:-1", "port from 0"),
        (network_fault, "10.0.0.1/8", "did you mean '10.0.0.0/8'?"),
        (network_fault, "10.0.0.0/33", "expected a CIDR"),
        (network_fault, "localhost", "expected a CIDR"),
        (pattern_fault, "*", "leave host out"),
        (pattern_fault, "api.*.com", "not a host name"),
        (pattern_fault, "*.", "host is missing"),
        (pattern_fault, "api.example.com:8080", "without their port"),
    ],
)
def test_a_bad_address_says_what_is_wrong(
    fault: Callable[[str], str], text: str, message: str
) -> None:
    assert message in fault(text)


def test_a_password_in_a_url_is_not_repeated() -> None:
    fault = server_fault("http://user:hunter2@host")
    assert "credentials" in fault
    assert "hunter2" not in fault
