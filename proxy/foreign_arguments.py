"""What other proxies and servers call our commands and arguments, and what to type instead."""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from proxy.config.similar import suggestion


def _targets(words: str) -> Mapping[str, str]:
    """What is meant by each word: behind the last colon of a line stand the words for it."""
    found: dict[str, str] = {}
    for line in words.strip().replace("\n    ", " ").splitlines():
        meant, _, those = line.rpartition(": ")
        found.update(dict.fromkeys(those.split(), meant))
    return found


FILE: Final = frozenset({"--config", "--config-file", "--conf", "--file", "-c", "-f"})
"""Options that name the file."""
_COMMANDS: Final = _targets("""
run CONFIG: start serve server up proxy listen launch daemon forward reverse-proxy
check CONFIG: validate test lint verify configtest config-test check-config checkconfig adapt
reload: restart hup refresh reconfigure
drain: stop shutdown quit kill exit terminate down
top: status stats monitor ps dashboard
init: new generate create setup
explain CONFIG METHOD URL: trace route routes match
--version: version
--help: help
""")
"""Words for commands."""
_LISTEN: Final = "run CONFIG --set server.listen=ADDR (in CONFIG: listen in [server])"
_TLS: Final = "run CONFIG (in CONFIG: certificates in [server.tls])"
_UPSTREAM: Final = "run --upstream VALUE"
_OPTIONS: Final = _targets(f"""
check CONFIG: -t -T --test --validate --check --configtest --config-test --dry-run
run CONFIG --watch: --reload --live-reload
run CONFIG --set log.level=debug (in CONFIG: level in [log]): --verbose --debug
run CONFIG --set log.level=VALUE (in CONFIG: level in [log]): --log-level --loglevel
run CONFIG --set server.workers=VALUE (in CONFIG: workers in [server]): --workers -w --processes
{_LISTEN}: --port -p --bind -b --host --address --addr --listen -l --from
{_TLS}: --tls --cert --key --certfile --keyfile --cert-file --key-file --ssl-certfile --ssl-keyfile
{_UPSTREAM}: --upstream --to --backend --target --url --forward --origin
--version: -v -V -version
--help: -? /?
""")
"""Options. VALUE is what was given with it, ADDR what it says of where to listen."""
_STAYS: Final = frozenset({"-d", "-D", "--daemon", "--daemonize", "--detach", "--background"})
_SIGNAL: Final = "-s"
"""With which nginx sends ``reload`` and ``stop``."""
_RUNNING: Final = ("reload", "drain", "top")
"""Commands that speak to a running proxy."""
_OURS: Final = {
    _UPSTREAM: ("--admin", "--set"),
    "run": ("--set", "--watch"),
    "check": ("--set",),
    **dict.fromkeys(_RUNNING, ("--admin", "--token-file")),
}
"""What a command line that is meant keeps of the one that was given."""


def command_meant(given: Sequence[str], commands: Collection[str]) -> str:
    """What was meant by a command line that names none of ``commands``; nothing if unknown."""
    first = next((each for each in given if not each.startswith("-")), "")
    if found := _COMMANDS.get(first.lower()):
        options = _of_options(given, given) if found == "run CONFIG" else ""
        return options or _line(found, given)
    if found := _of_options(given, given):
        return found
    if re.match(r"https?://.", first):
        return _line(_UPSTREAM, given, first)
    if _is_file(first):
        return _line("run CONFIG", given)
    near = suggestion(first, commands).split("'")[1:2]
    return _line(near[0], given) if near else ""


def arguments_meant(command: str, rest: Sequence[str], given: Sequence[str]) -> str:
    """What was meant by the arguments ``rest`` that a command does not know."""
    files = [each for each in rest if each.partition("=")[0] in FILE or _is_file(each)]
    if command in _RUNNING and files:
        return f"{command} takes no file: it speaks to a running proxy, which knows its own"
    return _of_options(rest, given, command)


def _of_options(unknown: Sequence[str], given: Sequence[str], command: str = "") -> str:
    """What is meant by the first option that has a meaning."""
    pairs = list(_pairs(given))
    mine = [pair for pair in pairs if pair[0] in {each.partition("=")[0] for each in unknown}]
    to = next((pair for pair in mine if _OPTIONS.get(pair[0]) == _UPSTREAM), None)
    for pair in mine:
        option, value = to if to and _OPTIONS.get(pair[0]) == _LISTEN else pair
        if option in _STAYS:
            return "run stays in the foreground: a service manager keeps it running"
        if option == _SIGNAL:
            return _line(_COMMANDS.get(value, "reload"), given)
        if found := _OPTIONS.get(option):
            return _line(found.replace("ADDR", _address(pairs)), given, value, command)
    files = [value for option, value in mine if option in FILE]
    if not files:
        return ""
    # With HAProxy, -c checks the file that -f names.
    return _line("run CONFIG" if all(files) else "check CONFIG", given)


def _pairs(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options, each with its value, in one word or in two."""
    for index, each in enumerate(given):
        if each.startswith("-"):
            option, _, value = each.partition("=")
            after = given[index + 1] if index + 1 < len(given) else "-"
            yield option, value or ("" if after.startswith("-") else after)


def _address(pairs: Sequence[tuple[str, str]]) -> str:
    """Where to listen, by the options that say so: an address, a port, a host."""
    host, port = "127.0.0.1", "8080"
    for value in (value for option, value in pairs if value and _OPTIONS.get(option) == _LISTEN):
        before, mark, after = value.rpartition(":")
        if value.isdecimal():
            port = value
        elif before.isdecimal() and after.isdecimal():  # Docker: of the host, of the container
            port = before
        elif mark and after.isdecimal() and (":" not in before or before.startswith("[")):
            return value
        else:
            host = f"[{value}]" if mark and not value.endswith("]") else value
    return f"{host}:{port}"


def _line(meant: str, given: Sequence[str], value: str = "", command: str = "") -> str:
    """The command line to type, with what is known of it, or what the ``command`` takes instead."""
    told = [each.partition("=")[2] or each for each in given]
    file = next(filter(_is_file, told), "")
    shown, note, rest = meant.partition(" (")
    if shown.startswith(f"{command} CONFIG --") and not file:
        shown = shown.removeprefix(f"{command} CONFIG ")
    else:
        shown = f"sidecar-proxy {shown}{_kept(shown, given, value)}"
    if meant == _UPSTREAM:
        value = _server(value)
    shown = shown.replace("CONFIG", file or "CONFIG").replace("VALUE", value or "VALUE")
    return f"did you mean: {shown}{note}{rest}"


def _kept(meant: str, given: Sequence[str], value: str) -> str:
    """What else of the given line belongs behind the one that is meant."""
    pairs = list(_pairs(given))
    kept = ""
    if meant == _UPSTREAM:
        to = [each for option, each in pairs if _OPTIONS.get(option) == _UPSTREAM]
        kept += "".join(f" --upstream {_server(each)}" for each in to if each not in ("", value))
        if any(_OPTIONS.get(option) == _LISTEN for option, _ in pairs):
            kept += f" --listen {shlex.quote(_address(pairs))}"
    ours = _OURS.get(meant) or _OURS.get(meant.partition(" ")[0], ())
    for option, each in pairs:
        if option == "--watch" and option in ours:
            kept += " --watch"
        elif option in ours and each:
            kept += f" {option} {shlex.quote(each)}"
    return kept


def _server(value: str) -> str:
    """As ``--upstream`` wants it: with a scheme, and a host."""
    if not value or "://" in value or value.startswith("unix:"):
        return value
    host = "127.0.0.1:" if value.isdecimal() else "127.0.0.1" if value.startswith(":") else ""
    return f"http://{host}{value}"


def _is_file(word: str) -> bool:
    return word.endswith(".toml") or (
        "." in word and not word.startswith("-") and Path(word).is_file()
    )
