"""The command ``sidecar-proxy``.

What a command needs is imported when it runs: ``--version`` and mistyped options answer at once,
and ``check`` and ``schema`` never load the server.
"""
# ruff: noqa: PLC0415

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from proxy import __version__

_BAD_CONFIGURATION: Final = 2
_REFUSED: Final = 400  # from here on nothing was done
_DEFAULT: Final = "config.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    _open_missing()
    parser = _parser()
    try:
        arguments, rest = parser.parse_known_args(argv)
    except SystemExit as left:
        if not left.code and _printed((), 0):  # --help or --version, whose words found no room
            return 1
        raise
    if rest and arguments.command not in ("demo", "top"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if arguments.command == "run":
        _agree(parser, arguments)
    for stream in (sys.stdout, sys.stderr):  # names and values may hold what it cannot show
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    commands: dict[str, Callable[[], int]] = {
        "run": lambda: _run(arguments),
        "check": lambda: _check(_path(arguments.config), arguments.set),
        "explain": lambda: _explain(arguments),
        "init": lambda: _init(_path(arguments.config)),
        "schema": _schema,
        "demo": lambda: int(importlib.import_module("proxy.demo.command").run(rest)),
        "top": lambda: int(importlib.import_module("proxy.admin.top").run(rest)),
        "drain": lambda: _operate(arguments, "/api/drain"),
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


_EXAMPLES: Final = {
    "run": "sidecar-proxy run --upstream http://127.0.0.1:9000 --set retry.attempts=4",
    "check": "sidecar-proxy check /etc/sidecar-proxy/config.toml",
    "init": "sidecar-proxy init my.toml",
    "explain": "sidecar-proxy explain config.toml POST http://api.example.com/v1/items",
    "schema": "sidecar-proxy schema > sidecar-proxy.schema.json",
    "demo": "sidecar-proxy demo",
    "top": "sidecar-proxy top --admin 127.0.0.1:9901",
    "drain": "sidecar-proxy drain --admin 127.0.0.1:9901",
}
"""Of each command, at the end of its help."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "sidecar-proxy", description="A reverse proxy for slow APIs.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"sidecar-proxy {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Command
    )
    run = commands.add_parser("run", help="run the proxy", allow_abbrev=False)
    _config(run)
    run.add_argument(
        "--upstream",
        action="append",
        metavar="URL",
        help="no file: forward everything to this server; given again, the servers take turns",
    )
    run.add_argument(
        "--listen",
        action="append",
        metavar="ADDR",
        help="with --upstream; default: 127.0.0.1:8080; may be given again",
    )
    run.add_argument("--admin", metavar="ADDR", help="with --upstream: an admin listener")
    _set(run)
    check = commands.add_parser("check", help="list every problem of a configuration")
    _config(check)
    _set(check)
    init = commands.add_parser("init", help="write a commented configuration to start from")
    init.add_argument("config", nargs="?", metavar="CONFIG", help=f"default: {_DEFAULT}")
    explain = commands.add_parser("explain", help="say what becomes of a request, and why")
    explain.add_argument("config", metavar="CONFIG")
    explain.add_argument("method", metavar="METHOD")
    explain.add_argument("url", metavar="URL", help="http://HOST/PATH, or /PATH")
    explain.add_argument(
        *("-H", "--header"),
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a field that the request carries; may be given again",
    )
    _set(explain)
    drain = commands.add_parser("drain", help="stop a running proxy as SIGTERM does")
    _admin(drain)
    commands.add_parser("schema", help="print the JSON Schema of the configuration")
    commands.add_parser("top", help="show what a running proxy is doing", add_help=False)
    commands.add_parser("demo", help="a slow demo API with the proxy in front", add_help=False)
    return parser


class _Command(argparse.ArgumentParser):
    """A command, whose help ends with an example."""

    def __init__(self, prog: str = "", **options: Any) -> None:
        example = _EXAMPLES.get(prog.rpartition(" ")[2])
        if example is not None:
            options.setdefault("epilog", f"example: {example}")
        super().__init__(prog, **options)


def _admin(command: argparse.ArgumentParser) -> None:
    """How a running proxy is reached."""
    command.add_argument(
        "--admin",
        metavar="ADDR",
        default="127.0.0.1:9901",
        help="the proxy's [admin] listen; default: 127.0.0.1:9901",
    )
    command.add_argument(
        "--token-file", metavar="FILE", default="", help="the proxy's [admin] token_file"
    )


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument("config", nargs="?", metavar="CONFIG", help=f"default: {_DEFAULT}")


def _set(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PLACE=VALUE",
        help="set one option, as in retry.attempts=4 or routes[0].path=/v1; may be given again",
    )


def _agree(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with a usage error where arguments of ``run`` exclude each other."""
    if arguments.upstream is not None and arguments.config is not None:
        parser.error(
            "run takes CONFIG or --upstream, not both; to change one option of a file: "
            "--set 'upstreams[0].servers[0]=URL'"
        )
    for name, place in (("listen", "server.listen"), ("admin", "admin.listen")):
        if getattr(arguments, name) is not None and arguments.upstream is None:
            parser.error(f"--{name} goes with --upstream; with CONFIG write --set {place}=ADDR")


def _path(given: str | None) -> str:
    return _DEFAULT if given is None else given


def _run(arguments: argparse.Namespace) -> int:
    from proxy.run import early_signals
    from proxy.telemetry.standard_error import standard_error

    early_signals.settle()
    with standard_error():
        return _served(arguments)


def _served(arguments: argparse.Namespace) -> int:
    from proxy.config.load import ConfigError, read, usable, without_file

    if arguments.upstream is None:
        again = partial(read, _path(arguments.config), sets=arguments.set)
    else:
        again = partial(
            without_file, arguments.upstream, arguments.listen, arguments.admin, arguments.set
        )
    config, problems = again()
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    try:
        config = usable(config, problems)
    except ConfigError:
        return _BAD_CONFIGURATION
    from proxy.run.serve import run

    return run(config, again)


def _check(path: str, sets: Sequence[str]) -> int:
    from proxy.config.load import check

    problems = check(path, sets=sets)
    if not problems:
        _say(f"{path}: ok")
    fine = all(problem.warning for problem in problems)
    return _printed(map(str, problems), 0 if fine else _BAD_CONFIGURATION)


def _explain(arguments: argparse.Namespace) -> int:
    from proxy.config.problems import ConfigError
    from proxy.run.explain import asked_for, explain

    try:
        parts = [header.partition(":") for header in arguments.header]
        fields = [(name if colon else "", value.strip()) for name, colon, value in parts]
        asked = asked_for(arguments.method, arguments.url, fields)
        lines = list(explain(arguments.config, asked, arguments.set))
    except ConfigError as error:
        for problem in error.problems:
            _say(str(problem))
        return _BAD_CONFIGURATION
    except (OSError, ValueError) as error:
        _say(f"sidecar-proxy: cannot explain: {error}")
        return _BAD_CONFIGURATION
    return _printed(lines, 0)


def _init(path: str) -> int:
    from proxy.config.sample import starter

    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(starter())
    except FileExistsError:
        print(f"{path}: is there already; nothing was written", file=sys.stderr)
        return _BAD_CONFIGURATION
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        print(f"{path}: cannot be written: {reason}", file=sys.stderr)
        return _BAD_CONFIGURATION
    print(
        f"{path}: written; name your API in servers, then: sidecar-proxy run {path}",
        file=sys.stderr,
    )
    return 0


def _schema() -> int:
    import json

    from proxy.config.schema import schema

    return _printed([json.dumps(schema(), indent=2)], 0)


def _operate(arguments: argparse.Namespace, path: str) -> int:
    """Ask a running proxy for something: 0, 1 where it cannot be reached, 2 where it refuses."""
    from proxy.admin.client import post

    try:
        said = post(arguments.admin, path, arguments.token_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        _say(f"sidecar-proxy: no proxy was reached at {arguments.admin}: {reason}")
        return 1
    _say(said.message)
    return 0 if said.status < _REFUSED else _BAD_CONFIGURATION


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
