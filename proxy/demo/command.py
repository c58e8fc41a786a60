"""``sidecar-proxy demo``: the demo API with the proxy in front of it."""

import argparse
import sys
from typing import Final

from proxy.config.addresses import LOOPBACK, split_listen
from proxy.config.load import ConfigError, from_upstream
from proxy.demo.process import DemoFailed, DemoProcess
from proxy.run import serve

_TRY: Final = """\
demo API  {api}
proxy     http://{listen}

Try, in another terminal:
  curl -i 'http://{listen}/slow?seconds=2'
  curl -N 'http://{listen}/stream?events=5&interval=1'
  curl -o /dev/null -w '%{{size_download}} bytes, %{{speed_download}} a second\\n' http://{listen}/bytes/1GiB
  curl -i 'http://{listen}/cut?after=1000'
  curl http://{listen}/            (everything it does)
Ctrl-C ends both.
"""


def run(argv: list[str]) -> int:
    """Run both until a signal comes; the exit status is the proxy's."""
    parser = argparse.ArgumentParser(prog="sidecar-proxy demo", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT")
    listen = parser.parse_args(argv).listen
    try:
        with DemoProcess("127.0.0.1:0") as demo:
            config = from_upstream(demo.url, listen)
            host, port = split_listen(listen)
            shown = f"[{host}]:{port}" if ":" in host else f"{host or LOOPBACK}:{port}"
            sys.stderr.write(_TRY.format(api=demo.url, listen=shown))
            return serve.run(config)
    except ConfigError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return 2
    except DemoFailed as error:
        sys.stderr.write(f"{error}\n")
        return serve.FAILED_TO_START
