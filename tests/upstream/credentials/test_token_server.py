"""What a token server may answer (RFC 6749 5), and what is made of it."""

import json
import math
from typing import Any

import pytest

from proxy.upstream.credentials.token_server import NoToken, read_answer


def said(**answer: Any) -> bytes:
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        ({}, math.inf),
        ({"expires_in": 3600}, 3600.0),
        ({"expires_in": "3599"}, 3599.0),
        ({"expires_in": 0.5}, 0.5),
        ({"expires_in": 10**400}, 10 * 365 * 86400.0),
        ({"expires_in": "1e999"}, 10 * 365 * 86400.0),
        ({"expires_in": 1e300}, 10 * 365 * 86400.0),
        ({"expires_in": None, "scope": "read", "refresh_token": "r"}, math.inf),
        ({"token_type": "bearer"}, math.inf),
    ],
)
def test_a_token_comes_with_its_life(fields: dict[str, Any], lifetime: float) -> None:
    token = read_answer(200, said(access_token="abc", **{"token_type": "Bearer", **fields}))
    assert token == (b"abc", lifetime, False)


@pytest.mark.parametrize("said_life", [0, "0", -1, True, "soon", [1], {}, "nan", -(10**400)])
def test_a_token_with_an_odd_life_is_used_as_one_without(said_life: Any) -> None:
    token = read_answer(200, said(access_token="abc", expires_in=said_life))
    assert token == (b"abc", math.inf, True)


GOOD = {"access_token": "secret-token-1", "token_type": "Bearer"}


@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (200, b"<html>", "the answer, with status 200, is no JSON object"),
        (200, b"[" * 100_000, "the answer, with status 200, is no JSON object"),
        (200, b'"x"', "the answer, with status 200, is no JSON object"),
        (502, b"", "the answer, with status 502, is no JSON object"),
        (200, said(token_type="Bearer"), "the answer has no access_token that can be sent"),
        (200, said(**{**GOOD, "access_token": ""}), "no access_token that can be sent"),
        (200, said(**{**GOOD, "access_token": "a\r\nX: b"}), "no access_token that can be sent"),
        (200, said(**{**GOOD, "access_token": 7}), "no access_token that can be sent"),
        (200, said(**{**GOOD, "token_type": "mac"}), "the token is of a type other than Bearer"),
        (401, said(error="invalid_client"), "status 401, invalid_client"),
        (200, said(error="invalid_scope"), "status 200, invalid_scope"),
        (
            400,
            said(error="invalid_request", error_description="no\r\nscope " + "x" * 999),
            f"status 400, invalid_request: no scope {'x' * 190}",
        ),
        (500, said(**GOOD), "status 500"),
    ],
)
def test_what_is_no_token_is_said_in_a_sentence(status: int, answer: bytes, sentence: str) -> None:
    with pytest.raises(NoToken) as caught:
        read_answer(status, answer)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 300
    assert "secret-token-1" not in str(caught.value)
