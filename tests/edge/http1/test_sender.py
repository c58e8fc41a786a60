"""Who a client is: by its connection, its balancer and its certificate."""

from typing import Any

import pytest

from proxy.edge.http1.sender import sender


class Certificate:
    """What a TLS connection knows of a certificate."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        return b"\x30" if binary_form else {"subject": ((("commonName", "a"),),)}


class NoCertificate:
    def getpeercert(self, binary_form: bool = False) -> Any:
        return None if binary_form else {}


class Transport:
    def __init__(self, peername: Any, encryption: Any = None) -> None:
        self.extra = {"peername": peername, "ssl_object": encryption}

    def get_extra_info(self, name: str) -> Any:
        return self.extra[name]


def of(peername: Any, introduced: str | None, encryption: Any = None) -> Any:
    transport: Any = Transport(peername, encryption)
    return sender(transport, introduced)


@pytest.mark.parametrize(
    ("peername", "introduced", "peer", "known"),
    [
        (("127.0.0.1", 1), None, "127.0.0.1", True),
        ("", None, "", True),  # a unix socket
        (("127.0.0.1", 1), "192.0.2.7", "192.0.2.7", True),
        (("127.0.0.1", 1), "", "127.0.0.1", False),
        ("", "", "", False),
    ],
)
def test_a_client_without_an_address_has_that_of_its_balancer(
    peername: Any, introduced: str | None, peer: str, known: bool
) -> None:
    assert of(peername, introduced)[:3] == (peer, known, [])
    assert of(peername, introduced, NoCertificate())[:3] == (peer, known, [])


def test_names_are_the_same_where_the_same_bytes_say_the_same() -> None:
    end = ("127.0.0.1", 1)
    names = {
        of(end, introduced, encryption).name
        for introduced in (None, "", "192.0.2.7")
        for encryption in (None, Certificate())
    }
    assert len(names) == 6
    assert of(end, None).name == of(("127.0.0.1", 2), None).name == of(end, "127.0.0.1").name
    assert of(end, None, Certificate()).identity == [
        (b"Client-Cert", b":MA==:"),
        (b"X-Client-Cert-Subject", b"CN=a"),
    ]
