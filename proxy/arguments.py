"""What the command line of ``sidecar-proxy`` takes."""

import argparse
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from proxy import __version__
from proxy.foreign_arguments import FILE, arguments_meant, command_meant

DEFAULT: Final = "config.toml"
"""The file where none is named."""

_EXAMPLES: Final = {
    "run": "sidecar-proxy run --upstream http://127.0.0.1:9000 --set retry.attempts=4",
    "check": "sidecar-proxy check /etc/sidecar-proxy/config.toml",
    "init": "sidecar-proxy init my.toml",
    "explain": "sidecar-proxy explain config.toml POST http://api.example.com/v1/items",
    "record": "sidecar-proxy record --upstream https://api.example.com --to tests/recording",
    "replay": "sidecar-proxy replay tests/recording",
    "schema": "sidecar-proxy schema > sidecar-proxy.schema.json",
    "demo": "sidecar-proxy demo",
    "top": "sidecar-proxy top --admin 127.0.0.1:9901",
    "drain": "sidecar-proxy drain --admin 127.0.0.1:9901",
    "reload": "sidecar-proxy reload --admin 127.0.0.1:9901",
}
"""Of each command, at the end of its help."""


def parser(given: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Of all commands; ``given``: what it will be asked to parse."""
    found = _All(given)
    found.add_argument("--version", action="version", version=f"sidecar-proxy {__version__}")
    commands = found.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Command
    )
    run = _command(commands, "run", "run the proxy", allow_abbrev=False)
    _config(run)
    run.add_argument(
        "--upstream",
        action="append",
        metavar="URL",
        help="no file: forward everything to this server; given again, they share the requests",
    )
    run.add_argument(
        "--listen",
        action="append",
        metavar="ADDR",
        help="with --upstream: where to listen; default: 127.0.0.1:8080; may be given again",
    )
    run.add_argument(
        "--admin", metavar="ADDR", help="with --upstream: where page, metrics and admin API are"
    )
    run.add_argument(
        "--watch",
        action="store_true",
        help="reload when CONFIG, or a file that it names, changes",
    )
    _set(run)
    check = _command(commands, "check", "list every problem of a configuration")
    _config(check)
    _set(check)
    init = _command(commands, "init", "write a commented configuration to start from")
    init.add_argument(
        "config", nargs="?", metavar="CONFIG", help=f"default: {DEFAULT}; - for standard output"
    )
    explain = _command(commands, "explain", "say what becomes of a request, and why")
    explain.add_argument("config", metavar="CONFIG", help="a file, such as config.toml")
    explain.add_argument("method", metavar="METHOD", help="GET, POST and so on")
    explain.add_argument("url", metavar="URL", help="http://HOST/PATH, or /PATH")
    explain.add_argument(
        *("-H", "--header"),
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a field that the request carries; may be given again",
    )
    _set(explain)
    drain = _command(commands, "drain", "stop a running proxy as SIGTERM does")
    _admin(drain)
    reload = _command(commands, "reload", "have a running proxy read its configuration again")
    _admin(reload)
    _recordings(commands)
    _command(commands, "schema", "print the JSON Schema of the configuration")
    _command(commands, "top", "show what a running proxy is doing", add_help=False)
    _command(commands, "demo", "a slow demo API with the proxy in front", add_help=False)
    return found


def _command(
    commands: "argparse._SubParsersAction[_Command]", name: str, does: str, **options: Any
) -> "_Command":
    """One more command; its own help says what it does, as the list of all does."""
    return commands.add_parser(
        name, help=does, description=f"{does[0].upper()}{does[1:]}.", **options
    )


def _recordings(commands: "argparse._SubParsersAction[_Command]") -> None:
    record = _command(commands, "record", "record an API for tests", allow_abbrev=False)
    record.add_argument(
        "--upstream",
        action="append",
        required=True,
        metavar="URL",
        help="the API; given again, they share the requests",
    )
    record.add_argument("--to", required=True, metavar="DIR", help="where the recording is written")
    record.add_argument(
        "--compressed",
        action="store_true",
        help="let clients ask for compressed replies, whose files nobody can read",
    )
    replay = _command(commands, "replay", "answer from a recording", allow_abbrev=False)
    replay.add_argument("folder", metavar="DIR", help="where the recording is")
    replay.add_argument("--paced", action="store_true", help="take the time that the API took")
    for command in (record, replay):
        command.add_argument(
            "--listen",
            action="append",
            metavar="ADDR",
            help="where to listen; default: 127.0.0.1:8080; may be given again",
        )
        _set(command)


class _All(argparse.ArgumentParser):
    """The command line, whose errors say what was meant where no command is named."""

    def __init__(self, given: Sequence[str]) -> None:
        super().__init__(
            "sidecar-proxy", description="A reverse proxy for slow APIs.", allow_abbrev=False
        )
        self._given = given

    def error(self, message: str) -> NoReturn:
        """End with a usage error."""
        first = next((each for each in self._given if not each.startswith("-")), "")
        meant = "" if first in _EXAMPLES else command_meant(self._given, _EXAMPLES)
        super().error(f"{message}\n{meant}" if meant else message)


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
    command.add_argument("config", nargs="?", metavar="CONFIG", help=f"default: {DEFAULT}")


def _set(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PLACE=VALUE",
        help="set one option, as in retry.attempts=4 or routes[0].path=/v1; may be given again",
    )


def unknown(arguments: argparse.Namespace, rest: Sequence[str], given: Sequence[str]) -> str:
    """What to say of the arguments ``rest``, of all that are given, that no command has."""
    option, _, value = rest[0].partition("=")
    if option in FILE and hasattr(arguments, "config"):
        file = value or arguments.config or DEFAULT
        return f"the file is given without an option: {arguments.command} {file}"
    meant = arguments_meant(arguments.command, rest, given)
    message = f"unrecognized arguments: {' '.join(rest)}"
    return f"{message}\n{meant}" if meant else message


def agree(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with a usage error where arguments of ``run`` exclude each other."""
    if arguments.watch and arguments.upstream is not None:
        parser.error("--watch goes with CONFIG: without a file there is nothing to look at")
    if arguments.upstream is not None and arguments.config is not None:
        parser.error(
            "run takes CONFIG or --upstream, not both; to change one option of a file: "
            "--set 'upstreams[0].servers[0]=URL'"
        )
    for name, place in (("listen", "server.listen"), ("admin", "admin.listen")):
        if getattr(arguments, name) is not None and arguments.upstream is None:
            parser.error(f"--{name} goes with --upstream; with CONFIG write --set {place}=ADDR")
