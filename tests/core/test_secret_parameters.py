"""Which query parameters carry credentials, however they are written."""

import pytest

from proxy.core.secret_parameters import PARAMETERS, plain_name, underlined


@pytest.mark.parametrize(
    "written", [b"api_key", b"API-Key", b"api%5Fkey", b"api_key[]", b"api_key[0]", b"+api_key "]
)
def test_a_name_is_known_however_it_is_written(written: bytes) -> None:
    assert plain_name(written) == b"api_key"
    assert plain_name(written) in PARAMETERS


def test_what_a_name_only_begins_with_is_another_name() -> None:
    assert plain_name(b"api_keys") not in PARAMETERS


def test_names_are_listed_as_they_are_looked_for() -> None:
    assert {plain_name(name) for name in PARAMETERS} == PARAMETERS
    assert underlined(b"x-amz-signature") in PARAMETERS
