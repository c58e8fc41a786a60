"""``sidecar-proxy record`` and ``replay``: an API recorded for tests, and replayed without it."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from proxy.config.load import ConfigError, Problem, usable, without_file
from proxy.config.model import Config
from proxy.core.recording_mode import RecordingMode
from proxy.middleware.recording.folder import NoRecording, RecordingFolder
from proxy.run import serve

_BAD: Final = 2
_NOBODY: Final = "http://127.0.0.1:9"
"""The server of a proxy that replays: it is never asked."""


def record(
    servers: Sequence[str],
    folder: str,
    listen: Sequence[str] | None,
    sets: Sequence[str],
    *,
    compressed: bool,
) -> int:
    """Forward everything to the servers and record it, until a signal comes; the exit status."""
    try:
        config = _usable(servers, listen, sets)
        redact = tuple(config.log.redact)
        recording = RecordingFolder.begun(Path(folder), servers, redact)
    except ConfigError:
        return _BAD
    except NoRecording as error:
        _say(error.reasons)
        return _BAD
    return serve.run(config, recording_mode=RecordingMode(recording, compressed=compressed))


def replay(folder: str, listen: Sequence[str] | None, sets: Sequence[str], *, paced: bool) -> int:
    """Answer from a recording, until a signal comes; the exit status."""
    try:
        # Whoever runs tests wants to be told what was not recorded.
        config = _usable([_NOBODY], listen, ["errors.details=true", *sets])
        recording = RecordingFolder.opened(Path(folder))
    except ConfigError:
        return _BAD
    except NoRecording as error:
        _say(error.reasons)
        return _BAD
    return serve.run(config, recording_mode=RecordingMode(recording, replays=True, paced=paced))


def _usable(servers: Sequence[str], listen: Sequence[str] | None, sets: Sequence[str]) -> Config:
    """Raises ConfigError, whose problems have been told."""
    config, problems = without_file(servers, listen, None, sets)
    if config is not None and config.server.workers != 1:
        why = "one process records and replays: the order of its answers is counted there"
        problems.append(Problem("command line", 0, "--set server.workers", why))
    _say(map(str, problems))
    return usable(config, problems)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
