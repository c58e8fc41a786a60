"""What a cache is asked for, and what a configuration gets wrong with it."""

from collections.abc import Iterator
from typing import Final

from proxy.core.cache_options import CacheOptions
from proxy.core.findings import WARNING, Finding, Written

LOOKED_UP: Final = ("GET", "HEAD")
"""Methods whose replies are stored in any case."""


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[cache]`."""
    options: CacheOptions | None = written.options.cache
    methods, at = written.options.methods, written.at("cache")
    stored = {*LOOKED_UP, "QUERY", *(("POST",) if options is not None and options.post else ())}
    if options is not None and at and methods and stored.isdisjoint(methods):
        near = " (POST with post = true)" if "POST" in methods else ""
        said = f"nothing of {', '.join(methods)} is stored, only GET and QUERY{near}"
        yield Finding(at, f"{WARNING} {said}")
    if options is None or (place := written.first_at("cache")) is None:
        return
    if (
        options.max_size
        and options.max_object > options.max_size
        and written.at("cache", "max_object") is not None  # a default may be: it is never reached
    ):
        yield Finding((*place, "max_object"), "larger than max_size: nothing so long can be stored")
