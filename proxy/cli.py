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
from typing import TYPE_CHECKING, Final

from proxy.arguments import DEFAULT, agree, unknown
from proxy.arguments import parser as arguments_of_all
from proxy.core.standard_output import lost

if TYPE_CHECKING:
    from proxy.config.model import Config
    from proxy.config.problems import Problem

_BAD_CONFIGURATION: Final = 2
_FAILED: Final = 3
"""As ``FAILED_TO_START`` of ``run/stop``."""
_REFUSED: Final = 400
"""Statuses from here on say that nothing was done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    _open_missing()
    given = sys.argv[1:] if argv is None else list(argv)
    parser = arguments_of_all(given)
    try:
        arguments, rest = parser.parse_known_args(given)
    except SystemExit as left:
        if not left.code and _printed((), 0):  # --help or --version, whose words found no room
            return 1
        raise
    if rest and arguments.command not in ("demo", "top"):
        parser.error(unknown(arguments, rest, given))
    if arguments.command == "run":
        agree(parser, arguments)
    for stream in (sys.stdout, sys.stderr):  # names and values may hold what it cannot show
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    commands: dict[str, Callable[[], int]] = {
        "run": lambda: _run(arguments),
        "check": lambda: _check(_path(arguments.config), arguments.set),
        "explain": lambda: _explain(arguments),
        "record": lambda: _record(arguments),
        "replay": lambda: _replay(arguments),
        "init": lambda: _init(_path(arguments.config)),
        "schema": _schema,
        "demo": lambda: int(importlib.import_module("proxy.demo.command").run(rest)),
        "top": lambda: int(importlib.import_module("proxy.admin.top.command").run(rest)),
        "drain": lambda: _operate(arguments, "/api/drain", "SIGTERM"),
        "reload": lambda: _operate(arguments, "/api/reload", "SIGHUP"),
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


def _load() -> None:
    """First of all, in whatever reads a configuration."""
    from proxy.run.loading import load_libraries

    load_libraries()


def _path(given: str | None) -> str:
    return DEFAULT if given is None else given


def _run(arguments: argparse.Namespace) -> int:
    from proxy.run import early_signals
    from proxy.telemetry.standard_error import standard_error

    early_signals.settle()
    with standard_error():
        try:
            return _served(arguments)
        except Exception:  # Python's 1 would say that a stop has cut requests
            sys.excepthook(*sys.exc_info())
            return _FAILED


def _served(arguments: argparse.Namespace) -> int:
    _load()
    from proxy.config.config_file import ConfigFile
    from proxy.config.load import ConfigError, usable, without_file

    again: Callable[[], tuple[Config | None, list[Problem]]] = partial(
        without_file, arguments.upstream, arguments.listen, arguments.admin, arguments.set
    )
    if arguments.upstream is None:
        again = ConfigFile(_path(arguments.config), arguments.set)
    config, problems = again()
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    try:
        config = usable(config, problems)
    except ConfigError:
        return _BAD_CONFIGURATION
    from proxy.run.serve import run

    return run(config, again, _path(arguments.config) if arguments.watch else "")


def _record(arguments: argparse.Namespace) -> int:
    _load()
    from proxy.run import early_signals
    from proxy.run.recording import record
    from proxy.telemetry.standard_error import standard_error

    early_signals.settle()
    with standard_error():
        return record(
            arguments.upstream,
            arguments.to,
            arguments.listen,
            arguments.set,
            compressed=arguments.compressed,
        )


def _replay(arguments: argparse.Namespace) -> int:
    _load()
    from proxy.run import early_signals
    from proxy.run.recording import replay
    from proxy.telemetry.standard_error import standard_error

    early_signals.settle()
    with standard_error():
        return replay(arguments.folder, arguments.listen, arguments.set, paced=arguments.paced)


def _check(path: str, sets: Sequence[str]) -> int:
    _load()
    from proxy.config.load import check

    problems = check(path, sets=sets)
    if not problems:
        _say(f"{path}: ok")
    fine = all(problem.warning for problem in problems)
    return _printed(map(str, problems), 0 if fine else _BAD_CONFIGURATION)


def _explain(arguments: argparse.Namespace) -> int:
    _load()
    from proxy.config.problems import ConfigError
    from proxy.run.explain.explain import asked_for, explain

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

    if path == "-":
        return _printed([starter().removesuffix("\n")], 0)
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


def _operate(arguments: argparse.Namespace, path: str, signal: str) -> int:
    """Ask a running proxy for something: 0, 1 where it cannot be reached, 2 where it refuses.

    A wrong argument is 2, as everywhere. ``signal`` asks for the same.
    """
    from proxy.admin.client import Unasked, post, unreached

    try:
        said = post(arguments.admin, path, arguments.token_file)
    except Unasked as error:
        _say(f"sidecar-proxy: {error}")
        return _BAD_CONFIGURATION
    except (OSError, ValueError) as error:
        _say(f"sidecar-proxy: no proxy was reached at {arguments.admin}: {unreached(error)}")
        _say(f"{signal} does the same, sent to its process: kill -{signal[3:]} PID")
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
        return 1 if lost(error) else code
    return code
