"""A reverse proxy for slow APIs.

``sidecar-proxy`` is the command. In Python, ``create_app`` gives the proxy as an application of
aiohttp, and ``proxy.testing`` has a fixture for pytest (``docs/library.md``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["__version__", "create_app"]
__version__ = "0.1.0"
_FIRST = threading.Lock()
"""At the first use msgspec learns its types; a second thread that finds one half learnt crashes."""


def create_app(config: str | os.PathLike[str] | Mapping[str, Any]) -> web.Application:
    """The proxy as an application of aiohttp, to be run or to be mounted by ``add_subapp``.

    ``config``: a file, or the same tables as a mapping. ``[server] listen`` and ``[admin]`` in it
    are not used. Paths of routes begin where the application is mounted. Raises
    ``proxy.config.load.ConfigError`` with all problems where the configuration is wrong.
    """
    with _FIRST:
        from proxy.config.load import from_tables, load  # noqa: PLC0415 - commands start without
        from proxy.run.mounted.mounted import application  # noqa: PLC0415 - nor this

        return application(from_tables(config) if isinstance(config, Mapping) else load(config))
