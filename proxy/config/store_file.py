"""Whether the file of ``[store]`` is one that the proxy may use. Nothing is written to it."""

from collections.abc import Iterator
from pathlib import Path

from proxy.core.cache_options import NOT_A_STORE, StoreOptions
from proxy.core.findings import Finding


def store_file_problems(options: StoreOptions | None) -> Iterator[Finding]:
    """A file of another program is left alone: nothing would be stored."""
    kind, _, rest = (options or StoreOptions()).url.partition(":")
    if kind != "sqlite":
        return
    from proxy.store.ownership import is_foreign  # noqa: PLC0415 - most files have no store

    if is_foreign(Path(rest)):
        message = f"{rest!r} {NOT_A_STORE}, and is left alone: expected a file of its own, or none"
        yield Finding(("store", "url"), message)
