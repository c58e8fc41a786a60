"""A server that stops taking connections."""

import socket
import urllib.request

import pytest

from proxy.demo.deaf import DeafServer


def test_it_answers_goes_deaf_and_hears_again() -> None:
    with DeafServer() as server:
        url = server.url
        assert urllib.request.urlopen(server.url, timeout=30).read() == b"ok\n"
        server.go_deaf()
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        with socket.socket() as client:
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.connect((host, int(port)))
        server.hear()
        assert urllib.request.urlopen(server.url, timeout=30).read() == b"ok\n"
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=30)


def test_it_ends_while_it_is_deaf() -> None:
    with DeafServer() as server:
        server.go_deaf()
