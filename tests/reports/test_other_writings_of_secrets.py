"""A secret is found however a text writes it, and whatever carries it."""

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from proxy.core import redaction
from proxy.core.redaction import CREDENTIALS, SECRETS, conceal, configured, sent
from proxy.core.targets_shown import Targets
from proxy.telemetry.log import JsonFormatter

SECRET = "sk-live-4f9a8d77c1"
ODD = "sk-\"4f\\9a'8d7\u00e4\u20ac"


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> str:
    """A configured secret with all that is escaped somewhere."""
    monkeypatch.setattr(redaction, "_configured", {})
    configured(f"Bearer {ODD}".encode())
    return ODD


WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda text: repr(text.encode()),
    "bytes as latin-1": lambda text: text.encode().decode("latin-1"),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "in a URL": lambda text: quote(text.encode(), safe=""),
}


@pytest.mark.parametrize("way", WRITINGS)
def test_a_configured_secret_is_found_in_every_writing(way: str, odd: str) -> None:
    shown = conceal(f"value {WRITINGS[way](odd)} is odd")
    assert "4f" not in shown
    assert shown.endswith("is odd")


@pytest.mark.parametrize("way", [way for way in WRITINGS if way != "as it is"])
def test_a_credential_of_the_request_is_found_in_every_writing(way: str) -> None:
    known = sent([(b"X-Api-Key", ODD.encode())])
    assert "4f" not in conceal(f"value {WRITINGS[way](ODD)}", known)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: a'b{SECRET}",
        f"(b'authorization', b\"it's {SECRET}\")",
        f'{{"X-Api-Key": "a\\\\\\"b {SECRET}"}}',
        f"target /v1?%61ccess_token={SECRET}",
        f"target /v1?token[]={SECRET}",
        f"https://api.example.com/v1#access_token={SECRET}",
        f"Bearer\t{SECRET}",
        f"xi-api-key: {SECRET}",
        f"CF-Access-Client-Secret={SECRET}",
    ],
)
def test_texts_lose_credentials_that_are_quoted_or_escaped(text: str) -> None:
    assert SECRET not in conceal(text)


@pytest.mark.parametrize(
    "target",
    [
        "/v1?token[]=%s",
        "/v1?callback=/x?token=%s",
        "/v1?code=%s&state=1",
        "/v1;jsessionid=%s",
        "/v1;JSESSIONID=%s/more?a=1",
        "/v1?a=1;PASS=%s",
        "/v1?to=http://%s@host/&x=a@b",
        "/v1?to=http%%3A%%2F%%2F%s%%40host%%2Fpath",
        "/v1/https://%s@host/path",
    ],
)
def test_targets_lose_credentials_in_odd_places(target: str) -> None:
    shown = Targets().show((target % SECRET).encode()).decode()
    assert shown == target % "***"


@pytest.mark.parametrize(
    "target", ["/v1?mail=a@b.c", "/v1?to=http://host/a@b", "/v1?to=http%3A%2F%2Fhost%2Fa%40b"]
)
def test_an_at_sign_alone_hides_nothing(target: str) -> None:
    assert Targets().show(target.encode()).decode() == target


@pytest.mark.parametrize("name", ["xi-api-key", "dd-api-key", "x-rapidapi-key", "x-auth-key"])
def test_fields_of_well_known_apis_count_as_credentials(name: str) -> None:
    """``learn`` tells their clients apart by them, too."""
    assert name.encode() in CREDENTIALS


@pytest.mark.parametrize(
    "extra", [f"key {SECRET}", [SECRET], {"a": (SECRET,)}, SECRET.encode(), ValueError(SECRET)]
)
def test_what_stands_beside_a_message_is_concealed_too(extra: Any) -> None:
    record = logging.makeLogRecord({"msg": "x", "told": extra, SECRETS: [SECRET]})
    assert SECRET not in JsonFormatter().format(record)


def test_numbers_and_flags_beside_a_message_stay_what_they_are() -> None:
    record = logging.makeLogRecord({"msg": "x", "n": 1, "yes": True, "s": 0.5, "none": None})
    line = json.loads(JsonFormatter().format(record))
    assert (line["n"], line["yes"], line["s"], line["none"]) == (1, True, 0.5, None)
