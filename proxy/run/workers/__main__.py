"""The nursery as a process: ``python -m proxy.run.workers DESCRIPTOR``."""

import contextlib
import sys

from proxy.run.loading import load_libraries

load_libraries()
with contextlib.suppress(ImportError):
    # What a worker would import only when it starts, and has not here.
    import uvloop  # noqa: F401  (absent on some platforms)

# ruff: noqa: E402 - what they import has to find aiohttp loaded
from proxy.run.workers.nursery import main
from proxy.run.workers.worker import work

if __name__ == "__main__":
    main(int(sys.argv[1]), work)
