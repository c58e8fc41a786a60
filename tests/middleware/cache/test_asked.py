"""What a request says that matters for a cache."""

import subprocess
import sys

import pytest

from proxy.core.redaction import CREDENTIALS
from proxy.http.fields import Encoded
from proxy.http.head_template import HeadTemplate, Line, TemplateFields
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


def line(text: bytes) -> Line:
    name, _, value = text.partition(b": ")
    return 0, (name, value), text + b"\r\n"


@pytest.mark.parametrize(
    ("one", "other", "attribute"),
    [
        (b"Cookie: a=1", b"Cookie: a=2", "own_key"),
        (b"X-Forwarded-Host: a", b"X-Forwarded-Host: b", "key"),
        (b"Forwarded: host=a", b"Forwarded: host=b", "key"),
        (b"Cache-Control: no-cache", b"Cache-Control: max-age=5", "wanted"),
        (b"Pragma: no-cache", b"Pragma: x", "wanted"),
        (b"Authorization: x", b"X-Other: x", "authorized"),
        (b"If-None-Match: x", b"X-Other: x", "conditional"),
        (b"If-Match: x", b"X-Other: x", "for_origin"),
        (b"Range: x", b"X-Other: x", "ranged"),
    ],
)
def test_a_request_is_not_taken_for_one_like_it(one: bytes, other: bytes, attribute: str) -> None:
    """Of heads that come again most is read once (``http/head_template``)."""
    lines = [b"Accept: x", one, b"Pragma: y"]
    template = HeadTemplate(lines).widened([lines[0], other, lines[2]])
    assert template.varying == [1]
    alike = TemplateFields([*map(line, lines)], [True] * 3, template.varying, [], b"")
    found = []
    for each in (one, other, one):
        fields, _ = alike.with_lines([line(each)])
        exchange = get(headers=fields)
        exchange.encoded = Encoded(fields, b"", alike=alike)
        known = asked_by(exchange, lambda _, named: repr(named).encode())
        found.append(getattr(known, attribute))
        assert found[-1] == getattr(
            asked_by(get(headers=fields), lambda _, named: repr(named).encode()), attribute
        )
    assert found[0] == found[2] != found[1]


def test_credentials_for_the_proxy_count_beside_a_body_too() -> None:
    exchange = get()
    assert asked_by(exchange, lambda *_: b"k", b"body").authorized is False
    exchange.proxy_credentials = b"Basic dTpw"
    assert asked_by(exchange, lambda *_: b"k", b"body").authorized is True


def test_several_lines_of_cache_control_are_one() -> None:
    wanted = asked((b"Cache-Control", b"max-age=5"), (b"cache-control", b"no-store")).wanted
    assert (wanted.max_age, wanted.no_store) == (5, True)


def test_a_digest_is_the_same_in_every_process() -> None:
    code = "from proxy.middleware.cache.asked import stable_digest as d; print(d(b'a', b'b').hex())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == stable_digest(b"a", b"b").hex()
    assert stable_digest(b"ab") != stable_digest(b"a", b"b")
