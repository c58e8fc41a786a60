"""What a request says that matters for a cache."""

import subprocess
import sys

import pytest

from proxy.core.redaction import CREDENTIALS
from proxy.middleware.cache.asked import Asked, asked_by, stable_digest
from tests.support.loop import get


def asked(*fields: tuple[bytes, bytes]) -> Asked:
    return asked_by(get(headers=fields), lambda *_: b"k")


@pytest.mark.parametrize("name", sorted(CREDENTIALS - {b"authorization"}))
def test_whoever_shows_credentials_is_an_owner(name: bytes) -> None:
    one, other = asked((name.title(), b"1")), asked((name.title(), b"2"))
    assert one.owner
    assert one.owner != other.owner
    assert one.owner == asked((b"Accept", b"x"), (name.title(), b"1")).owner


def test_two_fields_are_not_one() -> None:
    assert asked((b"Cookie", b"a"), (b"Cookie", b"b")).owner != asked((b"Cookie", b"ab")).owner


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        (b"AUTHORIZATION", "authorized"),
        (b"if-none-match", "conditional"),
        (b"If-Modified-Since", "conditional"),
        (b"if-match", "for_origin"),
        (b"If-Unmodified-Since", "for_origin"),
        (b"RANGE", "ranged"),
    ],
)
def test_fields_are_noticed(field: bytes, attribute: str) -> None:
    assert getattr(asked((field, b"x")), attribute) is True
    assert getattr(asked((b"X-" + field, b"x")), attribute) is False


def test_several_lines_of_cache_control_are_one() -> None:
    wanted = asked((b"Cache-Control", b"max-age=5"), (b"cache-control", b"no-store")).wanted
    assert (wanted.max_age, wanted.no_store) == (5, True)


def test_a_digest_is_the_same_in_every_process() -> None:
    code = "from proxy.middleware.cache.asked import stable_digest as d; print(d(b'a', b'b').hex())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == stable_digest(b"a", b"b").hex()
    assert stable_digest(b"ab") != stable_digest(b"a", b"b")
