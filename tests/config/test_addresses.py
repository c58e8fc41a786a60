"""What is wrong with an address."""

from collections.abc import Callable

import pytest

from proxy.config.addresses import (
    authority_fault,
    listen_fault,
    name_fault,
    network_fault,
    pattern_fault,
)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
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
        (name_fault, "admin.example.com:9901"),
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
        (listen_fault, "443 ssl", "did you mean ':443'?; [server.tls] is for TLS"),
        (listen_fault, "127.0.0.1:443 ssl", "did you mean '127.0.0.1:443'?; [server.tls]"),
        (listen_fault, "0.0.0.0:$PORT", 'did you mean "0.0.0.0:${PORT}"?'),
        (pattern_fault, "a.example b.example", "write one [[routes]] for each host"),
        (pattern_fault, "a.example, *.b.example", "write one [[routes]] for each host"),
        (listen_fault, "127.0.0.1", "expected"),
        (listen_fault, "[::1]", "did you mean '[::1]:8080'?"),
        (listen_fault, ":70000", "port from 0 to 65535"),
        (listen_fault, "70000", "port from 0 to 65535"),
        (listen_fault, "::1:8080", "brackets"),
        (listen_fault, "127.0.0.1:http", "port from 0"),
        (listen_fault, "unix:@name", "abstract sockets are not supported"),
        (listen_fault, "unix:\0name", "abstract sockets are not supported"),
        (listen_fault, "127.0.0.1:-1", "port from 0"),
        (name_fault, "http://x", "did you mean 'x'?"),
        (name_fault, "https://x:9901/page", "did you mean 'x:9901'?"),
        (name_fault, "http://", "neither scheme nor path"),
        (name_fault, "a b", "not a host name"),
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
