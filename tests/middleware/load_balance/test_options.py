"""The words of `[load_balance] policy`, and what stands behind them."""

from typing import get_args, get_type_hints

import pytest

from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.policy.balance import POLICIES

WORDS = get_args(get_type_hints(LoadBalanceOptions)["policy"])


def test_each_word_has_a_policy_and_each_policy_a_word() -> None:
    assert set(WORDS) == POLICIES.keys()


@pytest.mark.parametrize("word", POLICIES)
def test_each_policy_is_described(word: str) -> None:
    """Where the option is explained: the words alone say little."""
    [meta] = get_type_hints(LoadBalanceOptions, include_extras=True)["policy"].__metadata__
    assert f"{word}: " in (meta.description or "")
