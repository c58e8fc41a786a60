"""Values of ``[server]`` and ``[store]`` that do the opposite of what they seem to, or nothing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proxy.config.model import Config
from proxy.core.findings import Finding

_EVERYBODY: Final = ("0.0.0.0/0", "::/0")


def open_doors(config: Config) -> Iterator[Finding]:
    """The messages of warnings."""
    server = config.server
    if not server.keepalive_timeout:
        message = 'connections are kept for ever: expected "1ms" to close them at once'
        yield Finding(("server", "keepalive_timeout"), message)
    for index, network in enumerate(server.trusted_proxies):
        if network in _EVERYBODY:
            message = "any client is believed about who it is: expected the proxies in front only"
            yield Finding(("server", "trusted_proxies", index), message)
    kind, _, file = ("", "", "") if config.store is None else config.store.url.partition(":")
    folder = Path(file).parent
    if kind == "sqlite" and folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(("store", "url"), f"{str(folder)!r} cannot be written by this user")
