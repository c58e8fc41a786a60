"""What an address to listen on says."""

import pytest

from proxy.net.addresses import is_everywhere, is_ip, is_local, split_listen


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("8080", "127.0.0.1", 8080),
        (":8080", "", 8080),
        ("[::1]:8080", "::1", 8080),
        ("api.local:80", "api.local", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    assert split_listen(listen) == (host, port)


@pytest.mark.parametrize(
    ("listen", "local"),
    [
        *((listen, True) for listen in ("9901", "127.0.0.9:1", "[::1]:9901", "unix:/run/a")),
        *((listen, True) for listen in ("localhost:9901", "LocalHost:9901", "localhost.:9901")),
        *((listen, False) for listen in (":9901", "0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901")),
        *((listen, False) for listen in ("localhost.example:9901", "xlocalhost:9901")),
    ],
)
def test_this_machine_alone_reaches_loopback_and_unix_sockets(listen: str, *, local: bool) -> None:
    assert is_local(listen) is local


@pytest.mark.parametrize(
    ("listen", "everywhere"),
    [
        *((listen, True) for listen in (":9901", "0.0.0.0:9901", "[::]:9901", "[::0]:9901")),
        *((listen, False) for listen in ("9901", "10.0.0.1:9901", "[::1]:9901", "api:9901")),
        ("unix:/run/a", False),
    ],
)
def test_no_host_and_the_unspecified_address_are_all_addresses(
    listen: str, *, everywhere: bool
) -> None:
    assert is_everywhere(listen) is everywhere


@pytest.mark.parametrize(
    ("host", "found"), [("10.0.0.1", True), ("::1", True), ("api", False), ("", False)]
)
def test_an_address_is_no_name(host: str, *, found: bool) -> None:
    assert is_ip(host) is found
