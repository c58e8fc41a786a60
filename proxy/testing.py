"""A fixture for pytest that starts the proxy in front of a test server of yours.

    pytest_plugins = ["proxy.testing"]          # in conftest.py

    def test_my_api(sidecar_proxy):
        proxy = sidecar_proxy("http://127.0.0.1:9000", retry={"attempts": 1})
        assert requests.get(f"{proxy.url}/items").status_code == 200

The proxy runs in a process of its own, so it works with any test server and any client, with or
without an event loop.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

__all__ = ["RunningProxy", "replay", "replayed_api", "sidecar_proxy", "start"]

_PATIENCE: Final = 60.0
"""Seconds for a start and for a stop, however busy the machine is."""


class RunningProxy:
    """A proxy that runs until ``stop``."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, folder: Path) -> None:
        self.url: Final = url
        """Where clients speak to it: ``http://127.0.0.1:PORT``, or ``unix:PATH``."""
        self._process = process
        self._folder = folder
        self._errors: list[str] = []
        assert process.stderr is not None
        # What is not read would fill the pipe, and a full pipe loses lines.
        self._reading = Thread(target=self._errors.extend, args=(process.stderr,), daemon=True)
        self._reading.start()

    def stop(self) -> int:
        """Let requests in flight finish, then end. The exit status: 0, or 1 if some were cut."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._reading.join(_PATIENCE)
            if self._process.stderr is not None:
                self._process.stderr.close()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The access log so far, an entry for each request that has ended (see the docs)."""
        with (self._folder / "access.log").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def errors(self) -> str:
        """What stands on standard error so far, all of it after ``stop``.

        A line comes a moment after the reply that it is about: it is written beside the requests.
        """
        return "".join(self._errors)


def replay(recording: str | os.PathLike[str], *, folder: Path, paced: bool = False) -> RunningProxy:
    """Start a proxy on a free port of loopback that answers from a recording.

    ``recording``: the folder that ``sidecar-proxy record`` has written; ``folder``: for the files
    of this proxy; ``paced``: replies take the time that the API took. Raises RuntimeError with what
    the proxy has said where it does not start.
    """
    words = ["replay", os.fspath(recording), "--listen", "127.0.0.1:0"]
    return _running([*words, "--paced"] if paced else words, folder)


def start(*upstream: str, folder: Path, **tables: Any) -> RunningProxy:
    """Start the proxy on a free port of loopback, in front of these servers of one upstream.

    ``folder``: for its files. ``tables``: as in a configuration file, ``retry={"attempts": 1}``;
    with ``upstreams`` of your own, name no server. Raises RuntimeError with what the proxy has said
    where it does not start.
    """
    if upstream:
        tables = {"upstreams": [{"name": "upstream", "servers": list(upstream)}], **tables}
    server = {"listen": "127.0.0.1:0", **tables.pop("server", {})}
    config = folder / "config.toml"
    config.write_text(_toml({"server": server, **tables}), encoding="utf-8")
    return _running(["run", str(config)], folder, "https" if server.get("tls") else "http")


def _running(words: list[str], folder: Path, scheme: str = "http") -> RunningProxy:
    with (folder / "access.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *words],
            stdout=log,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("ready http="):
            addresses = line.split()[1].removeprefix("http=").split(",")
            return RunningProxy(process, _url(addresses, scheme), folder)
    process.stderr.close()
    process.wait(_PATIENCE)
    raise RuntimeError(f"the proxy did not start:\n{''.join(said)}")


def _url(addresses: list[str], scheme: str) -> str:
    """Of the first that clients reach over TCP, as most cannot speak over a unix socket."""
    for address in addresses:
        if not address.startswith("unix:"):
            return f"{scheme}://{address}"
    return addresses[0]


def _toml(tables: Mapping[str, Any]) -> str:
    """Tables in TOML, each as the value of one key."""
    return "".join(f"{json.dumps(name)} = {_value(value)}\n" for name, value in tables.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(key))} = {_value(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    # Strings, numbers and booleans are written as in JSON.
    return json.dumps(os.fspath(value) if isinstance(value, os.PathLike) else value)


@pytest.fixture
def sidecar_proxy() -> Iterator[Callable[..., RunningProxy]]:
    """Call it with the URL of your server, and with tables of the configuration; see ``start``.

    Every proxy that it has started is stopped at the end of the test.
    """
    with _stopping(start) as begin:
        yield begin


@pytest.fixture
def replayed_api() -> Iterator[Callable[..., RunningProxy]]:
    """Call it with the folder of a recording, and ``paced=True`` if that is wanted; see ``replay``.

    Each call begins with the first answers again. Every proxy is stopped at the end of the test.
    """
    with _stopping(replay) as begin:
        yield begin


@contextlib.contextmanager
def _stopping(begin: Callable[..., RunningProxy]) -> Iterator[Callable[..., RunningProxy]]:
    """``begin`` with a folder for each proxy, all of which are stopped at the end."""
    running: list[RunningProxy] = []
    with tempfile.TemporaryDirectory(prefix="sidecar-proxy-") as folder:

        def begun(*words: Any, **options: Any) -> RunningProxy:
            own = Path(folder, str(len(running)))
            own.mkdir()
            running.append(begin(*words, folder=own, **options))
            return running[-1]

        try:
            yield begun
        finally:
            for proxy in running:
                proxy.stop()
