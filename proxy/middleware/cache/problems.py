"""What a cache is asked for, and what a configuration gets wrong with it."""

from collections.abc import Iterator
from typing import Final

from proxy.core.cache_options import CacheOptions
from proxy.core.findings import Finding, Written

LOOKED_UP: Final = ("GET", "HEAD")
"""Methods whose replies are stored in any case."""


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[cache]`."""
    options: CacheOptions | None = written.options.cache
    if options is None or (place := written.at("cache")) is None:
        return
    if (
        options.max_size
        and options.max_object > options.max_size
        and written.at("cache", "max_object") is not None  # a default may be: it is never reached
    ):
        yield Finding((*place, "max_object"), "larger than max_size: nothing so long can be stored")
