"""A program that runs while something is measured."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

from benchmarks.load.machine import settled
from benchmarks.load.servers.upstream import SMALL

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LOOK: Final = 0.002
_PATIENCE: Final = 15.0
_REQUEST: Final = b"GET /small HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


class DidNotStart(Exception):
    """With what the program said."""


class Process:
    """Runs for the length of a ``with`` block, on its cores; ready once it answers as it should."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        cores: set[int],
        log: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """What it writes to standard output and error goes to two files called ``log``."""
        self._command = command
        self._port = port
        self._cores = cores
        self._log = log
        self._env = {**os.environ, **(env or {})}
        self.ready = 0.0
        """Seconds from its start to its first answer."""

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The number in it."""
        return self._port

    def __enter__(self) -> Self:
        """Raises DidNotStart."""
        out, err = self._log.with_suffix(".out"), self._log.with_suffix(".err")
        begun = time.monotonic()
        with out.open("wb") as out_file, err.open("wb") as err_file:
            self._child = self._started(out_file, err_file)
        try:
            while not answers(self._port):
                if self._child.poll() is not None or time.monotonic() - begun > _PATIENCE:
                    raise DidNotStart((out.read_text() + err.read_text()).strip()[-500:])
                time.sleep(_LOOK)
        except BaseException:
            self._stop()
            raise
        self.ready = time.monotonic() - begun
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _started(self, out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches this process alone, which ends the others.
        return subprocess.Popen(
            self._command,
            cwd=Path(__file__).parents[2],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=settled(self._cores),  # noqa: PLW1509  (this process has no threads)
        )

    def _stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGTERM)
        try:
            # Not for long: a polite proxy waits for streams that nobody ends.
            self._child.wait(0.5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def memory(self) -> float:
        """Resident memory in KiB."""
        return int(Path(f"/proc/{self._child.pid}/statm").read_text().split()[1]) * _PAGE / 1024

    def cpu(self) -> float:
        """Seconds of processor time since its start."""
        stat = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS


def free_port() -> int:
    """One on which nobody listens just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether a request gets the upstream's own reply: some say 200 to what they do not serve."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(_REQUEST)
            data = b""
            while more := connection.recv(4096):
                data += more
    except OSError:
        return False
    return data.startswith(b"HTTP/1.1 200") and SMALL in data
