"""The nursery as a process: ``python -m proxy.run.workers DESCRIPTOR``."""

import sys

from proxy.run.workers.nursery import main
from proxy.run.workers.worker import work

if __name__ == "__main__":
    main(int(sys.argv[1]), work)
