"""Libraries that some tests want, and where the proxy is for them."""

from typing import Any, Final

import pytest

from tests.support.proxy import Proxy

LONG: Final = 60.0
"""Seconds that a busy machine may take."""


def library(name: str) -> Any:
    """The library, or a skip that says what to do."""
    return pytest.importorskip(name, reason=f"{name} is not installed; make clients")


def url(proxy: Proxy, path: str = "") -> str:
    """What a client calls the proxy."""
    return f"http://{proxy.runtime.http[0]}{path}"
