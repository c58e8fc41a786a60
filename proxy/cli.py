"""The command ``sidecar-proxy``.

What a command needs is imported when it runs: ``--version`` and mistyped options answer at once,
and ``check`` and ``schema`` never load the server.
"""
# ruff: noqa: PLC0415

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from proxy import __version__

if TYPE_CHECKING:
    from proxy.config.model import Config

_BAD_CONFIGURATION: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    _open_missing()
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command != "demo":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if arguments.command == "run":
        if arguments.upstream is not None and arguments.config is not None:
            parser.error("run takes CONFIG or --upstream, not both")
        if arguments.listen is not None and arguments.upstream is None:
            parser.error("--listen goes with --upstream; CONFIG has [server] listen")
    for stream in (sys.stdout, sys.stderr):
        # Names of files and values of options may hold what the terminal cannot show.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    commands: dict[str, Callable[[], int]] = {
        "run": lambda: _run(arguments.config, arguments.upstream, arguments.listen),
        "check": lambda: _check(_path(arguments.config)),
        "schema": _schema,
        "demo": lambda: _demo(rest),
    }
    return commands[arguments.command]()


def _open_missing() -> None:
    """Where standard streams are closed, the first sockets would take their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "sidecar-proxy", description="A reverse proxy for slow APIs.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"sidecar-proxy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    run = commands.add_parser("run", help="run the proxy", allow_abbrev=False)
    run.add_argument("config", nargs="?", metavar="CONFIG", help="default: config.toml")
    run.add_argument("--upstream", metavar="URL", help="no file: forward everything to this server")
    run.add_argument("--listen", metavar="ADDR", help="with --upstream; default: 127.0.0.1:8080")
    check = commands.add_parser("check", help="list every problem of a configuration")
    check.add_argument("config", nargs="?", metavar="CONFIG", help="default: config.toml")
    commands.add_parser("schema", help="print the JSON Schema of the configuration")
    commands.add_parser("demo", help="a slow demo API with the proxy in front", add_help=False)
    return parser


def _path(given: str | None) -> str:
    return "config.toml" if given is None else given


def _run(path: str | None, upstream: str | None, listen: str | None) -> int:
    from proxy.config.load import ConfigError, from_upstream, load
    from proxy.telemetry.standard_error import standard_error

    with standard_error():
        try:
            config: Config = (
                load(_path(path)) if upstream is None else from_upstream(upstream, listen)
            )
        except ConfigError as error:
            for problem in error.problems:
                print(problem, file=sys.stderr)
            return _BAD_CONFIGURATION
        from proxy.run.serve import run

        return run(config)


def _check(path: str) -> int:
    from proxy.config.load import check

    problems = check(path)
    code = 0 if all(problem.warning for problem in problems) else _BAD_CONFIGURATION
    if not problems:
        _say(f"{path}: ok")
    return _printed((str(problem) for problem in problems), code)


def _schema() -> int:
    import json

    from proxy.config.schema import schema

    return _printed([json.dumps(schema(), indent=2)], 0)


def _demo(arguments: list[str]) -> int:
    from proxy.demo.command import run

    return run(arguments)


def _say(line: str) -> None:
    """To standard error, where anybody can be told."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _printed(lines: Iterable[str], code: int) -> int:
    """Write lines to standard output, whose reader may leave (``| head``). 1 where it is full."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except OSError as error:
        # Or the interpreter complains when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return code
        _say(f"sidecar-proxy: cannot write to standard output: {error.strerror}")
        return 1
    return code
