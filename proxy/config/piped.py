"""Files that are pipes, where several workers would read them."""

from collections.abc import Iterator

from msgspec.structs import replace

from proxy.config.cores import workers
from proxy.config.files import placed_files
from proxy.config.model import Config
from proxy.config.values import FOR_ONE, is_pipe
from proxy.core.findings import Finding


def piped(config: Config) -> Iterator[Finding]:
    """Those of the options that each worker reads; the files of ``[admin]`` are the parent's."""
    if workers(config.server.workers) == 1:
        return
    for place, file in placed_files(replace(config, admin=None)):
        if is_pipe(file):
            yield Finding(place, f"{file!r} {FOR_ONE}")
