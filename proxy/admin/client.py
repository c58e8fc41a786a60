"""Commands that speak to the admin listener of a running proxy: ``drain``, ``top``."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final, NamedTuple

PATIENCE: Final = 30.0
"""Seconds for an answer."""
WHERE: Final = "a proxy listens there only with an [admin] table, or with --admin beside --upstream"
"""What to look at where nobody listens."""
_STRANGER: Final = "no admin listener of the proxy answers there; [admin] listen says where it is"
_OURS: Final = "sidecar-proxy"  # the Server field of ``admin/answers``


class Said(NamedTuple):
    """What the listener has answered."""

    status: int
    message: str
    """Its sentence."""


class Unasked(ValueError):
    """Nobody was asked for anything."""


class Refused(ValueError):
    """The proxy does not answer what it was asked."""


class _Unix(http.client.HTTPConnection):
    """To a unix socket."""

    def __init__(self, path: str, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path

    def connect(self) -> None:
        """Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def post(address: str, path: str, token_file: str = "") -> Said:
    """Ask for something to be done. ``address``: as ``[admin] listen`` has it.

    Raises OSError where nobody answers; Unasked where the address is none or the file with the
    token cannot be read; ValueError where something else answers.
    """
    fields = {"Content-Length": "0"}
    if token_file:
        fields["Authorization"] = f"Bearer {_token(token_file)}"
    connection = _connection(address)
    try:
        connection.request("POST", path, headers=fields)
        answer = connection.getresponse()
        said = answer.read(1 << 20).decode("utf-8", "replace")
        _known(answer)
    except http.client.HTTPException as error:
        raise OSError(f"no answer in HTTP ({type(error).__name__})") from None
    finally:
        connection.close()
    return Said(answer.status, _sentence(said))


def unreached(error: OSError | ValueError) -> str:
    """Why nobody was reached, and what to look at."""
    reason = getattr(error, "strerror", None) or str(error)
    nobody = isinstance(error, ConnectionRefusedError | FileNotFoundError)
    return f"{reason}; {WHERE}" if nobody else reason


def _token(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Unasked(f"the token in {file} cannot be read: {error.strerror}") from None


def get(address: str, path: str, patience: float = PATIENCE) -> Any:
    """What is answered there, as JSON has it. Raises as ``post`` does, and Refused.

    ``patience``: seconds in which something has to come.
    """
    connection = _connection(address, patience)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read(64 << 20)
        _known(answer)
    except http.client.HTTPException as error:
        raise OSError(f"no answer in HTTP ({type(error).__name__})") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise Refused(f"{path}: {answer.status}, {_sentence(said.decode('utf-8', 'replace'))}")
    return json.loads(said)


def _known(answer: http.client.HTTPResponse) -> None:
    """Raises ValueError where it comes from something else, such as the upstream of a proxy."""
    if answer.getheader("Server") != _OURS:
        raise ValueError(f"{answer.status} {answer.reason}: {_STRANGER}")


def _connection(address: str, patience: float = PATIENCE) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _Unix(address.removeprefix("unix:"), patience)
    plain = address.removeprefix("http://").removesuffix("/")
    host, _, port = plain.rpartition(":")
    if "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Unasked(f"expected HOST:PORT or unix:PATH, got {address!r}")
    return http.client.HTTPConnection(host.strip("[]") or "127.0.0.1", int(port), timeout=patience)


def _sentence(said: str) -> str:
    """The one in a JSON answer; what is no such answer is a sentence itself."""
    try:
        told = json.loads(said)
    except ValueError:
        return said.strip()
    if isinstance(told, dict):
        return str(told.get("message") or told.get("error") or said)
    return said
