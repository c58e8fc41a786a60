"""What other proxies have is answered with what to do instead."""

import pytest

from proxy.config.absent import absent


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("http2", (), "put nginx, HAProxy or Caddy in front"),
        ("output", ("log",), "goes to standard output"),
        ("enabled", ("retry",), "a table is on once it is written"),
    ],
)
def test_what_to_do_instead_is_said(name: str, table: tuple[str, ...], words: str) -> None:
    text = absent(name, table)
    assert text.startswith(": ")
    assert words in text


def test_a_name_that_is_wrong_in_one_table_only_says_nothing_elsewhere() -> None:
    assert absent("output", ("retry",)) == absent("attempts", ("retry",)) == ""
