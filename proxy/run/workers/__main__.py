"""The nursery as a process: ``python -m proxy.run.workers DESCRIPTOR``.

It loads what any configuration may want: a worker is there at once, and all workers share it.
"""

import contextlib
import sys
from importlib import import_module

from proxy.run.loading import load_libraries

load_libraries()
with contextlib.suppress(ImportError):
    # What a worker would import only when it starts, and has not here.
    import uvloop  # noqa: F401  (absent on some platforms)

# ruff: noqa: E402 - what they import has to find aiohttp loaded
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM
from proxy.run.workers.nursery import main
from proxy.run.workers.worker import work

for row in (*ROUTE, *UPSTREAM, *ENDPOINT):
    import_module(row.concern.__name__)
for name in ("proxy.run.answers", "proxy.telemetry.recorder", "proxy.store.memory"):
    import_module(name)

if __name__ == "__main__":
    main(int(sys.argv[1]), work)
