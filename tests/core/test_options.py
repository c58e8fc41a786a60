"""The rules of every table."""

import msgspec
import pytest

from proxy.edge.options import ServerOptions


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="wokers"):
        msgspec.convert({"wokers": 2}, ServerOptions)
