"""Words of other proxies lead to options that exist."""

import pytest
from msgspec import inspect

from proxy.config.foreign import TARGETS, VALUES
from proxy.config.model import Config
from proxy.config.names import hint


def _shape() -> inspect.StructType:
    shape = inspect.type_info(Config)
    assert isinstance(shape, inspect.StructType)
    return shape


@pytest.mark.parametrize("word", sorted(TARGETS))
def test_a_word_of_another_proxy_has_an_answer_at_the_top(word: str) -> None:
    assert hint(word, _shape(), {}, ())


def test_words_are_looked_up_as_names_are_spelled() -> None:
    assert all(word == word.lower() and "-" not in word for word in TARGETS)
    assert all(word.isalnum() and word == word.lower() for word in VALUES)
