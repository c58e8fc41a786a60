"""What other proxies and servers call our commands and arguments, and what to type instead."""

import re
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
_OPTIONS: Final = _targets(f"""
check CONFIG: -t -T --test --validate --check --configtest --config-test --dry-run
run CONFIG --watch: --reload --live-reload
run CONFIG --set log.level=debug (in CONFIG: level in [log]): --verbose --debug
run CONFIG --set log.level=VALUE (in CONFIG: level in [log]): --log-level --loglevel
run CONFIG --set server.workers=VALUE (in CONFIG: workers in [server]): --workers -w --processes
{_LISTEN}: --port -p --bind -b --host --address --addr --listen -l --from
{_TLS}: --tls --cert --key --certfile --keyfile --cert-file --key-file --ssl-certfile --ssl-keyfile
run --upstream VALUE: --upstream --to --backend --target --url --forward --origin
--version: -v -V -version
--help: -? /?
""")
"""Options. VALUE is what was given with it, ADDR what it says of where to listen."""
_STAYS: Final = frozenset({"-d", "-D", "--daemon", "--daemonize", "--detach", "--background"})
_SIGNAL: Final = "-s"
"""With which nginx sends ``reload`` and ``stop``."""
_RUNNING: Final = ("reload", "drain", "top")
"""Commands that speak to a running proxy."""


def command_meant(given: Sequence[str], commands: Collection[str]) -> str:
    """What was meant by a command line that names none of ``commands``; nothing if unknown."""
    first = next((each for each in given if not each.startswith("-")), "")
    if found := _COMMANDS.get(first.lower()):
        return _line(found, given)
    if found := _of_options(given, given):
        return found
    if re.match(r"https?://.", first):
        return _line("run --upstream VALUE", given, first)
    if _is_file(first):
        return _line("run CONFIG", given)
    near = suggestion(first, commands).split("'")[1:2]
    return _line(near[0], given) if near else ""


def arguments_meant(command: str, rest: Sequence[str], given: Sequence[str]) -> str:
    """What was meant by the arguments ``rest`` that a command does not know."""
    files = [each for each in rest if each.partition("=")[0] in FILE or _is_file(each)]
    if command in _RUNNING and files:
        return f"{command} takes no file: it speaks to a running proxy, which knows its own"
    return _of_options(rest, given).replace(f"sidecar-proxy {command} CONFIG --", "--")


def _of_options(unknown: Sequence[str], given: Sequence[str]) -> str:
    """What is meant by the first option that has a meaning."""
    pairs = list(_pairs(given))
    mine = [pair for pair in pairs if pair[0] in {each.partition("=")[0] for each in unknown}]
    for option, value in mine:
        if option in _STAYS:
            return "run stays in the foreground: a service manager keeps it running"
        if option == _SIGNAL:
            return _line(_COMMANDS.get(value, "reload"), given)
        if found := _OPTIONS.get(option):
            return _line(found.replace("ADDR", _address(pairs)), given, value)
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
    values = [value for option, value in pairs if value and "ADDR" in _OPTIONS.get(option, "")]
    whole = [value for value in values if ":" in value]
    ports = [value for value in values if value.isdecimal()]
    hosts = [value for value in values if value not in ports]
    return (whole or [f"{(hosts or ['127.0.0.1'])[0]}:{(ports or ['8080'])[0]}"])[0]


def _line(meant: str, given: Sequence[str], value: str = "") -> str:
    """The command line to type, with what is known of it."""
    told = [each.partition("=")[2] or each for each in given]
    file = next(filter(_is_file, told), "")
    command, note, rest = meant.partition(" (")
    shown = command.replace("CONFIG", file or "CONFIG").replace("VALUE", value or "VALUE")
    return f"did you mean: sidecar-proxy {shown}{note}{rest}"


def _is_file(word: str) -> bool:
    return word.endswith(".toml") or (
        "." in word and not word.startswith("-") and Path(word).is_file()
    )
