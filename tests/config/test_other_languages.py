"""A file in another language than TOML is told by its first line."""

import pytest

from proxy.config.other_languages import other_language


@pytest.mark.parametrize(
    ("text", "line", "kind"),
    [
        ('{"server": {}}', 1, "this is JSON"),
        ("# a comment\n\nserver:\n  listen: 80", 3, "this is YAML"),
        ("---\n", 1, "this is YAML"),
        ("<proxy/>", 1, "this is XML or HTML"),
        ("server {\n}", 1, "this is a block in braces"),
    ],
)
def test_the_language_is_named(text: str, line: int, kind: str) -> None:
    found = other_language(text)
    assert found is not None
    assert found[0] == line
    assert found[1].startswith(f"{kind}, expected TOML")


@pytest.mark.parametrize("text", ["", "# only this", "[server]", "a = 1", "<<<<<<< HEAD"])
def test_toml_is_not_taken_for_another_language(text: str) -> None:
    assert other_language(text) is None
