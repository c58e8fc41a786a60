"""``sidecar-proxy demo``: the demo API with the proxy in front, load, and troubles in turn."""

import argparse
import contextlib
import json
import random
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from proxy.config.load import ConfigError, from_upstream, load
from proxy.config.model import Config
from proxy.demo.deaf import DeafServer
from proxy.demo.process import DemoFailed, DemoProcess
from proxy.demo.traffic import CONFIG, Traffic, driven
from proxy.net.addresses import LOOPBACK, split_listen
from proxy.run import serve
from proxy.run.stop import FAILED_TO_START

_TRY: Final = """\
demo API  {api}
proxy     http://{listen}
page      http://{admin}/

Try, in another terminal:
  curl -i 'http://{listen}/slow?seconds=2'
  curl -N 'http://{listen}/stream?events=5&interval=1'
  curl -o /dev/null -w '%{{size_download}} bytes, %{{speed_download}} a second\\n' http://{listen}/bytes/1GiB
  curl -o /dev/null 'http://{listen}/cut?after=100000'
  curl http://{listen}/            # everything it does
Ctrl-C ends all of it.
"""


def run(argv: list[str]) -> int:
    """Run all of it until a signal comes; the exit status is the proxy's."""
    parser = argparse.ArgumentParser(
        prog="sidecar-proxy demo",
        description="Starts a slow demo API and the proxy in front of it, sends requests, and "
        "makes trouble every few seconds. The page shows what happens. Ctrl-C ends it.",
        epilog="example: sidecar-proxy demo --listen 127.0.0.1:8081",
    )
    parser.add_argument(
        "--listen",
        default="127.0.0.1:8080",
        metavar="HOST:PORT",
        help="where the proxy listens; default: 127.0.0.1:8080",
    )
    parser.add_argument(
        "--admin",
        default="127.0.0.1:9901",
        metavar="HOST:PORT",
        help="where the page is; default: 127.0.0.1:9901",
    )
    parser.add_argument(
        "--no-load", action="store_true", help="send no requests and make no trouble"
    )
    arguments = parser.parse_args(argv)
    try:
        # Whether it makes sense is said of the argument, not of a file that nobody has seen.
        from_upstream("http://127.0.0.1", arguments.listen, arguments.admin)
        listen, admin = _chosen(arguments.listen), _chosen(arguments.admin)
        with DemoProcess("127.0.0.1:0") as demo, DeafServer() as deaf:
            config = configuration(demo.url, deaf.url, listen, admin)
            shown = _shown(listen)
            sys.stderr.write(_TRY.format(api=demo.url, listen=shown, admin=_shown(admin)))
            load_: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
            if not arguments.no_load and not listen.startswith("unix:"):
                load_ = driven(Traffic(shown, deaf, random.Random()), _say)
            with load_:
                return serve.run(config)
    except ConfigError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return 2
    except DemoFailed as error:
        sys.stderr.write(f"{error}\n")
        return FAILED_TO_START


def configuration(api: str, deaf: str, listen: str, admin: str) -> Config:
    """What the proxy of the demo runs on. Raises ConfigError."""
    text = CONFIG.format(api=api, deaf=deaf, listen=json.dumps(listen), admin=json.dumps(admin))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "demo.toml")
        file.write_text(text, encoding="utf-8")
        return load(file)


def _chosen(listen: str) -> str:
    """With a free port where 0 was asked for: what is printed and driven needs its number."""
    if listen.startswith("unix:") or split_listen(listen)[1]:
        return listen
    host = split_listen(listen)[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as free:
            port = free.getsockname()[1]
    except OSError:
        return listen  # the proxy says why
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _shown(listen: str) -> str:
    if listen.startswith(("unix:", "[")):
        return listen
    host, port = split_listen(listen)
    return f"{host or LOOPBACK}:{port}"


def _say(sentence: str) -> None:
    sys.stderr.write(f"demo: {sentence}\n")
