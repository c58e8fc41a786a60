"""What is read of certificates."""

import pytest

from proxy.net.der import issuer_and_subject, kind_of_key, parts
from tests.support.authority import RSA, Authority


def test_short_and_long_elements_are_told_apart() -> None:
    long = b"\x04\x82\x01\x00" + bytes(256)
    assert parts(b"\x02\x01\x05" + long) == [
        (2, b"\x02\x01\x05", b"\x05"),
        (4, long, bytes(256)),
    ]


def test_a_root_has_one_name_and_what_it_signs_has_its_own(authority: Authority) -> None:
    root, subject = issuer_and_subject(authority.der("ca"))
    assert root == subject
    assert b"test ca" in root
    issuer, subject = issuer_and_subject(authority.der("client"))
    assert issuer == root
    assert b"client" in subject
    with pytest.raises((ValueError, IndexError)):
        issuer_and_subject(b"nothing")


def test_keys_of_one_kind_are_of_one_algorithm(authority: Authority) -> None:
    authority.issue("rsa", "DNS:api.test", key=RSA)
    ec = kind_of_key(authority.der("server"))
    assert ec == kind_of_key(authority.der("client")) == kind_of_key(authority.der("ca"))
    assert kind_of_key(authority.der("rsa")) != ec
    with pytest.raises((ValueError, IndexError)):
        kind_of_key(b"nothing")
