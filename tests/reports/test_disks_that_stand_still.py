"""A disk of the network that is away stops neither the loop nor the end.

A file of secrets or certificates is looked at again and again. Where that never came back, the
listener with TLS and the admin listener with a token stood still with all requests, and a stop
never ended: the look was made by the loop, or by a thread that the end waits for.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.admin import guard
from proxy.core import looks
from proxy.core.files import LOOK_EVERY, marks
from proxy.core.secret_file import SecretFile
from proxy.edge.certificates import ListenerTls
from proxy.edge.options import CertificateOptions, ServerTlsOptions
from proxy.policy.keys import Key
from proxy.upstream.credentials.options import CredentialsOptions
from proxy.upstream.credentials.sources import FromFile
from proxy.upstream.options import UpstreamOptions, UpstreamTlsOptions
from proxy.upstream.tls_files import UpstreamTls
from tests.support.authority import Authority
from tests.support.client import ask
from tests.support.message import get
from tests.support.proxy import fronted

PATIENCE = 30


class Disk:
    """Lets nobody go who looks at it while it stands still."""

    def __init__(self) -> None:
        self._goes_on = threading.Event()
        self._goes_on.set()
        self.asked = threading.Event()

    def stand_still(self) -> None:
        self._goes_on.clear()

    def go_on(self) -> None:
        self._goes_on.set()

    def slow(self, look: Callable[..., Any]) -> Callable[..., Any]:
        """The same look, at this disk."""

        def slowly(*arguments: Any) -> Any:
            self.asked.set()
            self._goes_on.wait()
            return look(*arguments)

        return slowly


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    monkeypatch.setattr(looks, "PATIENCE", 0.05)
    yield made
    made.go_on()


async def test_clients_get_the_certificate_that_is_known(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.edge.certificates.marks", disk.slow(marks))
    authority = Authority(tmp_path)
    own = CertificateOptions(
        cert_file=authority.path("server.pem"), key_file=authority.path("server.key")
    )
    clock = [0.0]
    tls = ListenerTls(ServerTlsOptions(certificates=(own,)), lambda: clock[0])
    first = tls.context()
    authority.issue("server", "DNS:other.test")
    disk.stand_still()
    clock[0] += LOOK_EVERY
    async with asyncio.timeout(PATIENCE):
        for _ in range(2):
            assert await tls.latest() is first
        disk.go_on()
        while await tls.latest() is first:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.001)


async def test_operators_are_known_by_the_token_that_is_known(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SecretFile, "changed", disk.slow(SecretFile.changed))
    monkeypatch.setattr(guard, "is_local", lambda _: False)
    token = tmp_path / "token"
    token.write_text("secret")
    admin = {"listen": "127.0.0.1:0", "token_file": str(token)}
    cancel = b"POST /api/exchanges/none/cancel HTTP/1.1\r\nHost: localhost\r\n"
    cancel += b"Authorization: Bearer %b\r\nContent-Length: 0\r\n\r\n"
    async with fronted(admin=admin) as (_, proxy):
        disk.stand_still()
        async with asyncio.timeout(PATIENCE):
            assert (await ask(proxy.admin, cancel % b"secret")).status == 404
            assert (await ask(proxy.admin, cancel % b"wrong")).status == 401
            assert (await proxy.ask(get())).status == 200
            token.write_text("other")
            disk.go_on()
            while (await ask(proxy.admin, cancel % b"other")).status == 401:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.001)


def ended(disk: Disk, look: Callable[[], Any]) -> bool:
    """Whether a loop ends while a look is under way there."""

    async def main() -> None:
        task = asyncio.create_task(look())
        while not disk.asked.is_set():  # noqa: ASYNC110  (another thread tells)
            await asyncio.sleep(0.001)
        task.cancel()

    disk.stand_still()
    loop = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    loop.start()
    loop.join(PATIENCE)
    return not loop.is_alive()


def test_a_stop_does_not_wait_for_a_secret(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SecretFile, "changed", disk.slow(SecretFile.changed))
    file = tmp_path / "key"
    file.write_text("Bearer one")
    source = FromFile("key", CredentialsOptions(value_file=str(file)), lambda: 0.0)
    assert isinstance(source.key, Key)
    assert ended(disk, source.look)


def test_a_stop_does_not_wait_for_a_certificate(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.upstream.tls_files.marks", disk.slow(marks))
    tls = UpstreamTlsOptions(ca_file=Authority(tmp_path).path("ca.pem"))
    options = UpstreamOptions(name="api", servers=("https://127.0.0.1:1",), tls=tls)
    assert ended(disk, UpstreamTls(options).look)
