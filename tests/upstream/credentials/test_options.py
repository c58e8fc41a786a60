"""The tables ``[upstreams.credentials]``, and what they give to send."""

from pathlib import Path

import pytest

from proxy.upstream.credentials.options import (
    CredentialsOptions,
    checked_value,
    credentials_field,
    each_of,
    names_of,
)


@pytest.mark.parametrize("text", ["Bearer x", "Bearer x\n", "Bearer x\r\n"])
def test_credentials_come_from_a_file_without_its_line_break(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_bytes(text.encode())
    options = CredentialsOptions(value_file=str(tmp_path / "token"))
    assert credentials_field(options) == (b"Authorization", b"Bearer x")


def test_credentials_may_stand_in_the_file_itself() -> None:
    options = CredentialsOptions(header="X-Key", value="secret")
    assert credentials_field(options) == (b"X-Key", b"secret")


@pytest.mark.parametrize("bad", [b"", b"a\r\nX: b", b"a\x00"])
def test_a_value_that_cannot_stand_in_a_field_is_refused_without_being_told(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"empty|control character") as caught:
        checked_value(bad)
    assert "X: b" not in str(caught.value)


def test_credentials_are_a_table_or_a_list_and_have_names() -> None:
    one, two = CredentialsOptions(value="a"), CredentialsOptions(name="spare", value="b")
    assert (each_of(None), each_of(one), each_of((one, two))) == ((), (one,), (one, two))
    assert list(names_of((one, two))) == ["0", "spare"]
