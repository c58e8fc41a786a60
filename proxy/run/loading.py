"""Everything is loaded at once, before the loop runs; at as little cost as there is.

Two things cost much and give nothing:

- ``import aiohttp`` reads the system's certificates, twice (140 of them: 40 ms of processor time,
  and 2 MiB for good), for two TLS contexts that a session falls back on. The proxy has a context of
  its own wherever it speaks TLS (``upstream/address``, ``run/collector``), so they stay empty here.
  Were one used after all, it would trust nobody: a handshake would fail, and not succeed wrongly.
- Python's collector looks through all that was loaded so far again and again (40 ms). What modules
  make lives for good, so it only looks at what is new. ``run/memory`` says what holds afterwards.

Only commands do this. Who mounts the proxy in an application has aiohttp as it is.
"""

import gc
import importlib
import ssl
from typing import Final

NEW: Final = (2_000, 1_000, 1_000)
"""Thresholds of the collector while modules are loaded."""


def load_libraries() -> None:
    """To be called before anything imports aiohttp."""
    gc.set_threshold(*NEW)
    read = ssl.SSLContext.set_default_verify_paths
    ssl.SSLContext.set_default_verify_paths = _read_none  # type: ignore[method-assign,assignment]
    try:
        importlib.import_module("aiohttp")
    finally:
        ssl.SSLContext.set_default_verify_paths = read  # type: ignore[method-assign]


def _read_none(_: ssl.SSLContext) -> None:
    """In place of the system's certificates."""
