"""From a file to options, or to everything that is wrong with it."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from proxy.config.crosscheck import crosscheck
from proxy.config.environment import substitute
from proxy.config.merge import merge
from proxy.config.model import Config, read_unit
from proxy.config.problems import ConfigError, Finding, Place, Problem, spell
from proxy.core.secrets import conceal

__all__ = ["ConfigError", "Problem", "check", "from_upstream", "load"]

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_COMMAND_LINE: Final[dict[Place, str]] = {
    ("upstreams", 0, "servers", 0): "--upstream",
    ("server", "listen"): "--listen",
}


def load(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration file. Raises ConfigError with all its problems."""
    config, problems = _read(path, environ)
    serious = [problem for problem in problems if not problem.warning]
    if config is None or serious:
        raise ConfigError(serious)
    return config


def check(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> list[Problem]:
    """All problems of a file and all warnings, in the order of its lines."""
    return _read(path, environ)[1]


def from_upstream(url: str, listen: str | None = None) -> Config:
    """Everything to one upstream, defaults for the rest."""
    raw: dict[str, Any] = {"upstreams": [{"name": "upstream", "servers": [url]}]}
    if listen is not None:
        raw["server"] = {"listen": listen}
    config, findings = _convert(raw)
    if config is None or findings:
        raise ConfigError(
            Problem("command line", 0, _COMMAND_LINE.get(place, spell(place)), conceal(message))
            for place, message in findings
        )
    return config


def _read(
    path: str | os.PathLike[str], environ: Mapping[str, str]
) -> tuple[Config | None, list[Problem]]:
    name = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return None, [Problem(name, 1, "file", f"cannot be read: {reason}")]
    try:
        text = data.decode("utf-8-sig")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, [Problem(name, line, "file", "not UTF-8, as TOML wants")]
    except (ValueError, RecursionError) as error:
        return None, [_syntax(name, text, error)]
    tree, unset = substitute(raw, environ)
    config, findings = _convert(tree, unset)
    if not findings:
        return config, []
    return config, _located(name, text, findings, raw, tree)


def _located(
    name: str, text: str, findings: list[Finding], raw: dict[str, Any], tree: dict[str, Any]
) -> list[Problem]:
    """``raw`` is the file as it is written, ``tree`` with the values of the environment."""
    from proxy.config.hidden import hidden  # noqa: PLC0415 - a clean file never needs it
    from proxy.config.lines import Lines  # noqa: PLC0415 - a clean file never needs it

    lines = Lines(text)
    problems = [
        Problem(name, lines.of(f.place), spell(f.place), hidden(f, raw, tree)) for f in findings
    ]
    return sorted(problems, key=lambda problem: problem.line)


def _syntax(name: str, text: str, error: Exception) -> Problem:
    """What tomllib says, with its line where ours stand."""
    message = str(error) or "nested too deeply"
    line = 1
    if found := _POSITION.search(message):
        line = int(found[1]) if found[1] else text.rstrip().count("\n") + 1
        column = f" at column {found[2]}" if found[2] else " at the end of the file"
        message = message[: found.start()] + column
    return Problem(name, line, "syntax", message[:1].lower() + message[1:])


def _convert(
    tree: dict[str, Any], reported: list[Finding] | None = None
) -> tuple[Config | None, list[Finding]]:
    """Options as far as they can be made, and what is wrong with the tree."""
    findings = list(reported or ())
    try:
        config = _struct(tree)
    except msgspec.ValidationError:
        from proxy.config.shape import examine  # noqa: PLC0415 - a clean file never needs it

        unresolved = {finding.place for finding in findings}
        tree, wrong = examine(tree)
        findings += [finding for finding in wrong if finding.place not in unresolved]
        try:
            config = _struct(tree)
        except msgspec.ValidationError as error:
            return None, findings or [Finding((), str(error))]
    known = [finding.place for finding in findings]
    findings += [
        finding
        for finding in crosscheck(config, tree)
        if not any(_related(place, finding.place) for place in known)
    ]
    return config, findings


def _struct(tree: dict[str, Any]) -> Config:
    return msgspec.convert(merge(tree), Config, dec_hook=read_unit)


def _related(place: Place, other: Place) -> bool:
    """Whether one is within the other: what follows from a mistake is not a second one."""
    shared = min(len(place), len(other))
    return place[:shared] == other[:shared]
