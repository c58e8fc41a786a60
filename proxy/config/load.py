"""From a file to options, or to everything that is wrong with it."""

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from proxy.config.addresses import ports_as_text
from proxy.config.crosscheck import crosscheck
from proxy.config.environment import Origin, substitute
from proxy.config.limits import TOO_DEEP, is_deep, loads
from proxy.config.merge import merge
from proxy.config.model import Config, read_unit
from proxy.config.overrides import Overrides
from proxy.config.problems import ConfigError, Problem, spell
from proxy.config.unexpanded import unexpanded
from proxy.core.files import regular_content
from proxy.core.findings import Finding, Place
from proxy.core.pipes import content
from proxy.core.redaction import conceal

if TYPE_CHECKING:
    from proxy.config.syntax import Fault

__all__ = ["ConfigError", "Problem", "check", "from_upstream", "load", "read", "without_file"]

_COMMAND_LINE: Final = "command line"
_ARGUMENTS: Final[dict[Place, str]] = {
    ("upstreams", 0, "servers"): "--upstream",
    ("server", "listen"): "--listen",
    ("admin", "listen"): "--admin",
}
_NAMES: Final = frozenset(Config.__struct_encode_fields__)
_IN_ROUTES: Final = re.compile(r"add_prefix = '([^']*)' in the routes")
"""Where there is no file, there is a way to say the same."""
_MISSING: Final = (
    "there is no such file; `sidecar-proxy init` writes one to start from, and "
    "`sidecar-proxy run --upstream URL` needs none"
)

Environ: TypeAlias = Mapping[str, str]


def load(
    path: str | os.PathLike[str], environ: Environ = os.environ, sets: Sequence[str] = ()
) -> Config:
    """Read a configuration file. Raises ConfigError with all its problems."""
    return usable(*read(path, environ, sets))


def check(
    path: str | os.PathLike[str], environ: Environ = os.environ, sets: Sequence[str] = ()
) -> list[Problem]:
    """All problems of a file and all warnings, in the order of its lines."""
    return read(path, environ, sets)[1]


def usable(config: Config | None, problems: Iterable[Problem]) -> Config:
    """The configuration, if nothing speaks against its use. Raises ConfigError."""
    serious = [problem for problem in problems if not (problem.warning or problem.passing)]
    if config is None or serious:
        raise ConfigError(serious)
    return config


def from_upstream(
    urls: str | Sequence[str],
    listen: str | Sequence[str] | None = None,
    admin: str | None = None,
    sets: Sequence[str] = (),
) -> Config:
    """Everything to one upstream with these servers, defaults for the rest. Raises ConfigError."""
    return usable(*without_file(urls, listen, admin, sets))


def from_tables(tables: Mapping[str, Any]) -> Config:
    """The same as a file, as a tree of mappings and lists. Raises ConfigError."""
    try:
        raw = _plain(tables)
    except RecursionError:
        raise ConfigError([Problem("config", 0, "", TOO_DEEP)]) from None
    if is_deep(raw):
        raise ConfigError([Problem("config", 0, "", TOO_DEEP)])
    config, findings, _ = _converted(raw, os.environ, ())
    return usable(
        config, [Problem("config", 0, spell(each.place), each.message) for each in findings]
    )


def _plain(value: Any) -> Any:
    """A copy, with the types that a file has: it is changed while it is read."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def without_file(
    urls: str | Sequence[str],
    listen: str | Sequence[str] | None,
    admin: str | None,
    sets: Sequence[str],
) -> tuple[Config | None, list[Problem]]:
    """As ``read``, from the command line alone."""
    servers = [urls] if isinstance(urls, str) else list(urls)
    listens = [listen] if isinstance(listen, str) else list(listen or ())
    raw: dict[str, Any] = {"upstreams": [{"name": "upstream", "servers": servers}]}
    if listens:
        raw["server"] = {"listen": listens if len(listens) > 1 else listens[0]}
    if admin is not None:
        raw["admin"] = {"listen": admin}
    config, findings, overrides = _converted(raw, os.environ, sets)
    return config, [
        Problem(
            _COMMAND_LINE,
            0,
            _argument(finding.place, overrides),
            _IN_ROUTES.sub(r"--set 'routes[0].add_prefix=\1'", finding.message),
        )
        for finding in findings
    ]


def read(
    path: str | os.PathLike[str],
    environ: Environ = os.environ,
    sets: Sequence[str] = (),
    *,
    again: bool = False,
) -> tuple[Config | None, list[Problem]]:
    """A file and what is wrong with it; None where nothing can be made of it.

    ``sets``: options from the command line, each as ``retry.attempts=4``, which win. ``again``:
    the proxy runs already, so a pipe, whose writer would be waited for, is refused.
    """
    name = os.fspath(path)
    try:
        data = regular_content(name) if again else content(name)
    except FileNotFoundError:
        return None, [Problem(name, 1, "file", _MISSING)]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return None, [Problem(name, 1, "file", f"cannot be read: {reason}")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        message = f"not UTF-8, as TOML wants{', but UTF-16' if utf16 else ''}"
        return None, [Problem(name, line, "file", message)]
    faults: list[Fault] = []
    try:
        raw = loads(text)
    except (ValueError, RecursionError):
        from proxy.config import syntax  # noqa: PLC0415 - a clean file never needs it

        raw, text, faults = syntax.read(text)
    config, findings, overrides = _converted(raw, environ, sets, whole=not faults)
    if not findings and not faults:
        return config, []
    problems = _located(name, text, findings, overrides)
    problems += [
        Problem(name, fault.line, "syntax", conceal(fault.message, fields=False))
        for fault in faults
    ]
    return None if faults else config, sorted(problems, key=lambda problem: problem.line)


def _located(name: str, text: str, findings: list[Finding], overrides: Overrides) -> list[Problem]:
    from proxy.config.lines import Lines  # noqa: PLC0415 - a clean file never needs it

    lines = Lines(text)
    problems = []
    for finding in findings:
        place, message = finding
        if (
            finding in overrides.findings
            or overrides.names(place)
            or (overrides.holds(place) and place not in lines)
        ):
            problems.append(Problem(_COMMAND_LINE, 0, _argument(place, overrides), message))
        else:
            problems.append(Problem(name, lines.of(place), spell(place), message))
    return problems


def _argument(place: Place, overrides: Overrides) -> str:
    """The part of the command line that a place comes from."""
    if not place or overrides.names(place) or overrides.holds(place):
        return f"--set {spell(place)}".rstrip()
    argument = next((arg for start, arg in _ARGUMENTS.items() if place[: len(start)] == start), "")
    return argument or spell(place)


def _converted(
    raw: dict[str, Any], environ: Environ, sets: Sequence[str], *, whole: bool = True
) -> tuple[Config | None, list[Finding], Overrides]:
    """Options as far as they can be made, and what is wrong with a raw tree.

    ``whole``: the file could be read to its end, so that what is missing is missing.
    """
    overrides = Overrides(sets, raw)
    meant: Mapping[str, str] = {}
    if not raw.keys() <= _NAMES:
        from proxy.config.names import tables_meant  # noqa: PLC0415 - a clean file never needs it

        meant = tables_meant(raw)
    ports_as_text(raw, meant)
    doubts = list(unexpanded(raw))
    tree, unset, origins = substitute(raw, environ)
    alone = {place for place, origin in origins.items() if origin.alone}
    alone |= set(overrides.texts)
    if alone:
        from proxy.config.typed import retype  # noqa: PLC0415 - most files have none

        retype(tree, alone - {finding.place for finding in unset}, meant)
    config, findings = _convert(tree, [*overrides.findings, *unset], origins, whole=whole)
    if findings:
        from proxy.config.tried import tried  # noqa: PLC0415 - nor this

        findings = tried(findings, tree, lambda again: _convert(again, [], origins, whole=whole)[1])
    if findings or doubts:
        from proxy.config.hidden import hidden  # noqa: PLC0415 - a clean file never needs it

        findings = [Finding(each.place, hidden(each, raw, tree)) for each in findings]
        # These are of the file as it is written, without the environment.
        doubts = [Finding(each.place, hidden(each, raw, raw)) for each in doubts]
    named = [_with_origin(finding, origins) for finding in findings]
    known = [finding.place for finding in findings]
    named += [doubt for doubt in doubts if not any(_related(doubt.place, p) for p in known)]
    return config, named, overrides


def _with_origin(finding: Finding, origins: Mapping[Place, Origin]) -> Finding:
    """A finding that names the variables which a value was made from."""
    for place, origin in origins.items():
        if finding.place[: len(place)] == place:
            several = "s" if len(origin.variables) > 1 else ""
            names = ", ".join(dict.fromkeys(origin.variables))
            message = f"{finding.message} (from the environment variable{several} {names})"
            return Finding(finding.place, message)
    return finding


def _convert(
    tree: dict[str, Any], reported: list[Finding], origins: Collection[Place], *, whole: bool
) -> tuple[Config | None, list[Finding]]:
    findings = list(reported)
    config = None
    if whole:
        with contextlib.suppress(msgspec.ValidationError):
            config = _struct(tree)
    if config is None:
        from proxy.config.diagnose import MISSING, examine  # noqa: PLC0415 - nor this

        unresolved = {finding.place for finding in findings}
        tree, wrong = examine(tree)
        findings += [
            finding
            for finding in wrong
            if finding.place not in unresolved and (whole or finding.message != MISSING)
        ]
        if not whole:
            return None, findings
        try:
            config = _struct(tree)
        except msgspec.ValidationError as error:
            return None, findings or [Finding((), str(error))]
    known = [finding.place for finding in findings]
    known += [(name,) for name in map(_table_meant, findings) if name]
    findings += [
        finding
        for finding in crosscheck(config, tree, [*origins, *known])
        if not any(_related(place, finding.place) for place in known)
    ]
    return config, findings


def _table_meant(finding: Finding) -> str:
    """The table that was looked at in place of one with a wrong name."""
    from proxy.config.names import table_meant  # noqa: PLC0415 - a clean file never needs it

    return table_meant(finding.message, {}) if len(finding.place) == 1 else ""


def _struct(tree: dict[str, Any]) -> Config:
    return msgspec.convert(merge(tree), Config, dec_hook=read_unit)


def _related(place: Place, other: Place) -> bool:
    """Whether one is within the other: what follows from a mistake is not a second one."""
    shared = min(len(place), len(other))
    return place[:shared] == other[:shared]
