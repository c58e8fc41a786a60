"""Files that may be pipes when the proxy starts."""

import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config.load import load
from proxy.core import pipes
from proxy.core.pipes import content, readable, without_waiting
from proxy.run.reasons import CannotStart
from proxy.run.runtime import Runtime
from tests.support.authority import Authority


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def written(path: Path, data: bytes) -> None:
    """By another process, so to say: it waits for the reader."""
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()


@pytest.mark.parametrize("length", [1, 200_000])
def test_a_pipe_is_read_to_its_end(pipe: Path, length: int) -> None:
    written(pipe, b"x" * length)
    assert content(str(pipe)) == b"x" * length


def test_a_pipe_whose_writer_has_gone_is_read(tmp_path: Path) -> None:
    """A substitution of a shell, ``<(...)``."""
    reader, writer = os.pipe()
    os.write(writer, b"Bearer piped")
    os.close(writer)
    try:
        assert content(f"/dev/fd/{reader}") == b"Bearer piped"
    finally:
        os.close(reader)


def test_a_pipe_may_be_empty(pipe: Path) -> None:
    written(pipe, b"")
    assert content(str(pipe)) == b""


def nobody(_: Path) -> None:
    """Writes."""


def half(path: Path) -> None:
    """Of what should come; the writer stays."""
    descriptor = os.open(path, os.O_RDWR)
    os.write(descriptor, b"half")


@pytest.mark.parametrize("write", [nobody, half])
def test_a_pipe_that_is_not_written_to_its_end_is_not_waited_for_for_ever(
    write: Callable[[Path], None], pipe: Path
) -> None:
    write(pipe)
    with without_waiting(), pytest.raises(OSError, match="nobody has written this pipe"):
        content(str(pipe))
    assert pipes._patience.get() > 1


def test_a_pipe_without_end_is_refused(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "_MOST", 10_000)
    written(pipe, b"x" * 20_000)  # a pipe holds more, so the writer sees no end either
    with pytest.raises(OSError, match="more than 10000 bytes"):
        content(str(pipe))


def test_a_device_is_not_read() -> None:
    with pytest.raises(OSError, match="no regular file"):
        content("/dev/zero")
    with pytest.raises(OSError, match="no regular file"), readable("/dev/zero"):
        pass
    assert content(os.devnull) == b""


def test_what_is_no_pipe_is_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    assert content(str(tmp_path / "a")) == b"a"
    with pytest.raises(IsADirectoryError):
        content(str(tmp_path))
    with pytest.raises(FileNotFoundError), readable(str(tmp_path / "none")):
        pass
    with readable(str(tmp_path / "a")) as name, readable("") as nothing:
        assert (name, nothing) == (str(tmp_path / "a"), "")


def test_openssl_reads_what_came_by_a_pipe(pipe: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    written(pipe, Path(authority.path("ca.pem")).read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with readable(str(pipe)) as name:
        context.load_verify_locations(name)
    assert len(context.get_ca_certs()) == 1


START = """
[server]
listen = "127.0.0.1:0"
{server}
[admin]
listen = "127.0.0.1:0"
{admin}
[[upstreams]]
name = "api"
servers = ["https://127.0.0.1:1"]
{upstream}
[[routes]]
upstream = "api"
{route}
"""


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("server", 'tls = {{ certificates = [{{ cert_file = "{pipe}" }}] }}'),
        (
            "server",
            'tls = {{ certificates = [{{ cert_file = "{good}.pem", key_file = "{pipe}" }}] }}',
        ),
        ("admin", 'token_file = "{pipe}"'),
        ("upstream", 'credentials = {{ value_file = "{pipe}" }}'),
        ("upstream", 'tls = {{ ca_file = "{pipe}" }}'),
        ("upstream", 'tls = {{ cert_file = "{good}.pem", key_file = "{pipe}" }}'),
        ("route", 'fallback = {{ status = 503, file = "{pipe}" }}'),
    ],
)
async def test_a_start_that_waits_for_a_pipe_ends_with_its_name(
    place: str, text: str, pipe: Path, tmp_path: Path
) -> None:
    Authority(tmp_path)
    parts = dict.fromkeys(("server", "admin", "upstream", "route"), "")
    parts[place] = text.format(pipe=pipe, good=tmp_path / "server")
    (tmp_path / "config.toml").write_text(START.format(**parts), encoding="utf-8")
    runtime = Runtime(load(tmp_path / "config.toml"))
    with without_waiting(), pytest.raises(CannotStart, match=f"{pipe}.: nobody has written"):
        await runtime.open()
