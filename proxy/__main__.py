"""``python -m proxy`` is ``sidecar-proxy``."""

import sys

from proxy.cli import main

sys.exit(main())
