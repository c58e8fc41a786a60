"""What ``make run`` runs: the proxy, with the demo API beside it for as long as it lives."""

import sys

from proxy.cli import main as command
from proxy.demo.process import DemoFailed, DemoProcess
from proxy.run.stop import FAILED_TO_START


def main() -> int:
    """The exit status is the proxy's."""
    try:
        with DemoProcess("127.0.0.1:9000"):
            return command(["run", *sys.argv[1:]])
    except DemoFailed as error:
        sys.stderr.write(f"{error}\n")
        return FAILED_TO_START


if __name__ == "__main__":
    sys.exit(main())
